"""Random numbers, bit for bit TensorFlow's: the generators, the distributions, stateful and stateless ops."""
