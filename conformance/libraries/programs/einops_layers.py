"""einops: rearrangements of tensors, in functions and as layers."""

import numpy as np
import tensorflow as tf
from einops import einsum, pack, rearrange, reduce, repeat
from einops.layers.tensorflow import Rearrange

x = tf.reshape(tf.range(48, dtype=tf.float32), [2, 4, 6])
assert rearrange(x, "b (h w) c -> b h w c", h=2).shape == (2, 2, 2, 6)
np.testing.assert_allclose(reduce(x, "b n c -> b c", "mean"), x.numpy().mean(1))
assert repeat(x, "b n c -> b n c r", r=3).shape == (2, 4, 6, 3)
assert einsum(x, x, "b n c, b m c -> b n m").shape == (2, 4, 4)
assert pack([x, x], "b * c")[0].shape == (2, 8, 6)
traced = tf.function(
    lambda t: rearrange(t, "b n c -> n (b c)"), input_signature=[tf.TensorSpec([None, 4, 6])]
)
assert traced(x).shape == (4, 12)
assert Rearrange("b n c -> b (n c)")(x).shape == (2, 24)
