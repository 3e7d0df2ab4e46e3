"""spektral: a graph convolution over a sparse adjacency matrix, and its preprocessing."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import scipy.sparse as sp
import spektral
import tensorflow as tf

rng = np.random.default_rng(0)
adjacency = sp.csr_matrix((rng.random((12, 12)) > 0.7).astype("float32"))
adjacency = adjacency.maximum(adjacency.T)
normalized = spektral.utils.convolution.gcn_filter(adjacency)
a = spektral.utils.sparse.sp_matrix_to_sp_tensor(normalized)
x = tf.constant(rng.normal(size=(12, 5)), tf.float32)
out = spektral.layers.GCNConv(4, activation="relu")([x, a])
assert out.shape == (12, 4)
np.testing.assert_allclose(
    spektral.layers.ops.dot(a, a).to_dense() if hasattr(a, "to_dense") else tf.sparse.to_dense(spektral.layers.ops.dot(a, a)),
    normalized.toarray() @ normalized.toarray(), rtol=1e-4, atol=1e-5,
)  # fmt: skip
assert spektral.layers.GlobalSumPool()(out).shape[-1] == 4
