"""Every op, one file per family: definition, kernels, shape rule, gradient, and the public functions over it."""
