"""`tf.summary`: writing what TensorBoard shows, in the forms of TensorFlow 2 and 1."""
