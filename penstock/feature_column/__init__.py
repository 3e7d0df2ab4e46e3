"""`tf.feature_column`: how raw features become the dense or sparse input of a model."""
