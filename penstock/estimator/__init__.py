"""`tf.estimator`: models of TensorFlow 1 as functions of features, trained and evaluated in sessions of their own."""
