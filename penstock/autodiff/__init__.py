"""Automatic differentiation: the backward walk, `GradientTape`, `tf.gradients`, forward mode, custom gradients."""
