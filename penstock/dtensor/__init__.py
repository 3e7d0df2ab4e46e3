"""`tf.experimental.dtensor`: tensors that are split over a mesh of devices."""
