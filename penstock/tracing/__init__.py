"""`tf.function`: signatures, tracing, the AutoGraph bridge, concrete functions."""
