"""`tf.data`: datasets are plans of small nodes; iterating one runs them over flat lists of arrays."""
