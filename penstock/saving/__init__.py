"""Checkpoints: the ops that read and write them, object-based `tf.train.Checkpoint`, and TF 1's `Saver`."""
