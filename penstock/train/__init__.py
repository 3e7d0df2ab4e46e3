"""TF 1 training: optimizers."""
