"""`tf.data.experimental.service`: input pipelines that run in other processes, which are Ray's actors."""
