"""Ragged tensors: values, row partitions, and what is computed on them."""
