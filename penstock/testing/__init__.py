"""`tf.test`: test cases, gradient checks, benchmarks. Files that need absl begin with `_` and are loaded on first use."""
