"""`tf.profiler`: recording what runs and how long it takes, for TensorBoard's profile page."""
