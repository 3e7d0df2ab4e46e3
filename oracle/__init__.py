"""Differential tests: the same calls under TensorFlow and under Penstock, and a report of what differs."""
