"""`tf.experimental.numpy`: NumPy's functions and promotion of dtypes, on tensors."""
