"""Libraries written for TensorFlow, unmodified, on Penstock: see `__main__`."""
