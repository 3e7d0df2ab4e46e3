"""The version of Penstock, and the TensorFlow release whose interface it offers."""

__version__ = "0.1.0"

TENSORFLOW_VERSION = "2.21.0"
