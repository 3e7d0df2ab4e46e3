"""Every op, one file per family: definition, kernels, shape rule, gradient, and the public functions over it.

Mathematics, arrays, and control flow are here; packages hold the fields that have many families (`nn`, `image`, ...).
"""
