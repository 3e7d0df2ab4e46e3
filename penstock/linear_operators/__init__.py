"""`tf.linalg.LinearOperator` and its family: matrices known by their structure, one file for each kind."""
