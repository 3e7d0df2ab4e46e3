"""Ops of neural networks: convolutions, pooling, activations, normalizations, losses, recurrent sequences."""
