"""What TensorFlow 1 programs use beside tensors: logging, flags, the main function, files that lie beside the code."""
