"""Expressions that both engines evaluate, for what calls of single ops cannot say: public functions and operators.

Each is a line of Python over `tf`, `np` and the tensors of `TENSORS`; gradients are compared for those it names.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

_rng = np.random.default_rng(7)

TENSORS: dict[str, np.ndarray] = {
    "x": _rng.uniform(0.3, 2, (2, 3)).astype(np.float32),
    "y": _rng.uniform(-2, 2, (3, 4)).astype(np.float32),
    "z": _rng.uniform(-2, 2, (2, 3, 4)).astype(np.float32),
    "v": np.float32([0.5, -1.5, 2.5]),
    "d": _rng.uniform(-2, 2, (2, 3)),
    "h": _rng.uniform(-2, 2, 4).astype(np.float16),
    "c": (_rng.uniform(-1, 1, (2, 3)) + 1j * _rng.uniform(-1, 1, (2, 3))).astype(np.complex64),
    "i": np.int32([[3, -1, 4], [1, 5, -9]]),
    "j": np.int64([7, -2, 0]),
    "u": np.uint8([250, 3, 17]),
    "b": np.array([[True, False, True], [False, False, True]]),
    "m": np.float32([[4, 1, 0.5], [1, 3, 0.25], [0.5, 0.25, 2]]),
    "image": _rng.uniform(0, 1, (1, 6, 5, 3)).astype(np.float32),
    "pixels": _rng.integers(0, 256, (4, 5, 3)).astype(np.uint8),
    "kernel": _rng.uniform(-1, 1, (3, 3, 3, 2)).astype(np.float32),
    "thin": _rng.uniform(-1, 1, (2, 2, 4, 3)).astype(np.float32),
    "s": np.array([b"a b", b"", b"the  quick fox"], object),
    "t": np.array("h\u00e9llo, w\u00f6rld".encode(), object),
}

EXPRESSIONS = """
# Operators and promotion
x + 1
x + 1.5
2 - i
i / 2
i // 2
i % 4
-i // 4
i ** 2
2 ** i
x ** 0.5
x // 0.7
x % -0.7
u + 10
u * 2.5
h * 2
x @ y
x @ x
x == 1
x != v
i > 2
x < v
b & True
b | ~b
b ^ b
i & 3
~i
abs(c)
c * 2
c + 1.0
j / 2
x + d
x + i
i + j
i + 1.5
x + 1j
x + "a"
x + [1, 2, 3]
x + np.float64(2)
x + np.ones(3)
i + np.int64(2)
tf.constant([1, 2.5])
tf.constant([1, 2**40])
tf.constant([True, 1])
tf.constant(["a", 1])
tf.constant([[1, 2], [3]])
tf.constant(1.5, tf.int32)
tf.constant(300, tf.uint8)
tf.constant([1, 2, 3], shape=[2, 3])
tf.constant(7, shape=[2, 3])
tf.convert_to_tensor([x, x])
tf.convert_to_tensor(x, tf.float64)
tf.cast(x, tf.int32)
tf.cast(c, tf.float32)
tf.cast(i, tf.bool)
tf.cast(s, tf.int32)
tf.saturate_cast(i * 100, tf.uint8)
tf.bitcast(x, tf.int32)
# Slicing
x[0]
x[-1, ::-1]
x[..., ::-1, tf.newaxis]
z[:, 1:, ::2]
z[1, ..., 2]
z[..., -3:-1]
z[:, tf.newaxis, 1]
z[0, 5]
x[5]
x[:, :, 0]
x[1.5]
x[i[0, 0] - 3]
x[b]
x[:, 1:1]
tf.boolean_mask(x, b)
tf.boolean_mask(x, b[0], axis=1)
tf.boolean_mask(x, b[0])
tf.gather(x, [2, 0], axis=1)
tf.gather(x, [0, 5])
tf.gather(z, [[0, 1], [2, 2]], axis=1, batch_dims=1)
tf.gather_nd(z, [[0, 1], [1, 2]])
tf.slice(z, [0, 1, 0], [2, -1, 2])
tf.slice(z, [0, 1, 0], [2, 5, 2])
tf.strided_slice(z, [0, 0, 3], [2, 3, 0], [1, 2, -1])
tf.tensor_scatter_nd_update(x, [[0, 1]], [9.0])
tf.tensor_scatter_nd_add(x, [[0], [0]], [v, v])
tf.scatter_nd([[1], [3]], [5.0, 6.0], [4])
tf.scatter_nd([[1], [9]], [5.0, 6.0], [4])
# Shapes
tf.shape(z)
tf.shape(z, out_type=tf.int64)
tf.size(z)
tf.rank(z)
z.shape
tf.reshape(z, [-1, 4])
tf.reshape(z, [5, -1])
tf.reshape(z, [-1, -1])
tf.transpose(z)
tf.transpose(z, [1, 0, 2])
tf.transpose(z, [1, 0])
tf.transpose(c, conjugate=True)
tf.expand_dims(x, -1)
tf.expand_dims(x, 4)
tf.squeeze(x[tf.newaxis])
tf.squeeze(x, axis=0)
tf.concat([x, x], 1)
tf.concat([x, y], 0)
tf.concat([x, i], 0)
tf.stack([v, v], axis=1)
tf.stack([x, v])
tf.unstack(x, axis=1)
tf.split(x, 3, axis=1)
tf.split(x, 2, axis=1)
tf.split(y, [1, -1], 1)
tf.tile(x, [2, 1])
tf.tile(x, [2])
tf.repeat(x, [1, 0, 2], axis=1)
tf.repeat(v, 2)
tf.pad(x, [[1, 0], [0, 2]], constant_values=3)
tf.pad(x, [[1, 1], [2, 2]], "REFLECT")
tf.pad(x, [[1, 1], [1, 1]], "SYMMETRIC")
tf.roll(x, [1, -1], [0, 1])
tf.reverse(x, [1])
tf.reverse(x, [3])
tf.broadcast_to(v, [2, 3])
tf.broadcast_to(v, [3, 2])
tf.broadcast_static_shape(x.shape, v.shape)
tf.meshgrid(v, [1.0, 2.0])
tf.meshgrid(v, [1.0, 2.0], indexing="ij")
tf.one_hot([0, 2, -1], 3, on_value=5.0)
tf.eye(3, 2, batch_shape=[2])
tf.range(5, 0, -2)
tf.range(0, 1, 0.25)
tf.range(3.5)
tf.range(0, 5, 0)
tf.linspace(0.0, 1.0, 5)
tf.linspace(v, v + 2, 3, axis=-1)
tf.fill([2, 3], 7)
tf.fill([-1], 7)
tf.zeros_like(i)
tf.ones([2], tf.string)
tf.zeros([2], tf.string)
tf.sequence_mask([1, 3, 0], 4)
tf.where(b)
tf.where(b, x, 0.0)
tf.where(b, x, i)
tf.unique([3, 1, 3])
tf.unique_with_counts([3, 1, 3])
tf.searchsorted([1.0, 2.0, 2.0, 3.0], [2.0], side="right")
tf.dynamic_partition(v, [0, 1, 0], 2)
tf.dynamic_stitch([[0, 2], [1]], [[1.0, 3.0], [2.0]])
# Reductions
tf.reduce_sum(x, 1)
tf.reduce_sum(x, [0, -1], keepdims=True)
tf.reduce_sum(x, 2)
tf.reduce_sum(b)
tf.reduce_sum("a")
tf.reduce_mean(i)
tf.reduce_max(x, axis=0)
tf.reduce_min(i, axis=-1)
tf.reduce_prod(x)
tf.reduce_all(b, 1)
tf.reduce_any(x)
tf.reduce_logsumexp(x, 1)
tf.math.reduce_std(x)
tf.math.reduce_std(i)
tf.math.reduce_variance(x, 1, keepdims=True)
tf.math.reduce_variance(c)
tf.math.reduce_euclidean_norm(x, 1)
tf.argmax(x, 1)
tf.argmax(x, 1, output_type=tf.int32)
tf.argmin(i, 5)
tf.math.count_nonzero(i, axis=1)
tf.cumsum(x, axis=1, exclusive=True, reverse=True)
tf.math.cumprod(x, 1)
tf.math.cumulative_logsumexp(x, 1)
tf.math.top_k(x, 2)
tf.math.top_k(x, 7)
tf.sort(x, direction="DESCENDING")
tf.argsort(i, axis=0)
tf.math.in_top_k([0, 1], x, 1)
tf.math.segment_sum(y, [0, 0, 2])
tf.math.segment_mean(y, [2, 1, 0])
tf.math.unsorted_segment_max(y, [1, 0, 1], 3)
tf.math.bincount([1, 1, 3])
tf.math.confusion_matrix([0, 1, 1], [0, 1, 0])
tf.nn.moments(x, [0])
tf.histogram_fixed_width(x, [0.0, 2.0], nbins=4)
# Mathematics
tf.math.add_n([x, x, x])
tf.add_n([x, y])
tf.maximum(x, 1.0)
tf.math.divide_no_nan(x, [0.0, 1.0, 2.0])
tf.math.floormod(i, -4)
tf.truncatemod(i, 4)
i // tf.constant(0)
tf.math.pow(i, -1)
tf.math.squared_difference(x, v)
tf.math.xlogy(x, x)
tf.math.erf(x)
tf.math.lgamma(x)
tf.math.digamma(x)
tf.math.igamma(x, x)
tf.math.betainc(x, x, 0.3)
tf.math.zeta(x + 1, x)
tf.math.polygamma(1.0, x)
tf.math.special.bessel_i0(x)
tf.math.special.expint(x)
tf.math.angle(c)
tf.math.abs(c)
tf.round([0.5, 1.5, -2.5])
tf.math.rsqrt(i)
tf.sqrt(i)
tf.clip_by_value(x, 0.5, 1.0)
tf.clip_by_norm(x, 1.0)
tf.clip_by_global_norm([x, v], 1.0)
tf.math.nextafter(v, 3.0)
tf.math.l2_normalize(x, 1)
tf.math.is_nan(v / 0.0)
tf.math.softplus(x)
# Linear algebra
tf.matmul(x, x, transpose_b=True)
tf.matmul(x, x)
tf.matmul(x, d)
tf.matmul(z, y, transpose_b=True)
tf.linalg.matvec(x, v)
tf.tensordot(z, x, [[0, 1], [0, 1]])
tf.tensordot(z, x, 1)
tf.einsum("ijk,ij->k", z, x)
tf.einsum("...j,j", x, v)
tf.einsum("ij,ij", x, y)
tf.linalg.svd(x, compute_uv=False)
tf.linalg.det(m)
tf.linalg.slogdet(m)
tf.linalg.logdet(m)
tf.linalg.inv(m)
tf.linalg.inv(x)
tf.linalg.inv(m * 0.0)
tf.linalg.cholesky(m)
tf.linalg.cholesky(-m)
tf.linalg.solve(m, y)
tf.linalg.triangular_solve(m, y)
tf.linalg.lstsq(m, y)
tf.linalg.eigvalsh(m)
tf.linalg.expm(m)
tf.linalg.pinv(x)
tf.linalg.norm(x, axis=1)
tf.linalg.norm(x, ord=1, axis=[0, 1])
tf.linalg.trace(m)
tf.linalg.diag(v, k=1)
tf.linalg.diag_part(m)
tf.linalg.band_part(m, 0, 1)
tf.linalg.set_diag(m, v)
tf.linalg.cross(v, v + 1)
tf.linalg.adjoint(c)
tf.linalg.matrix_rank(m)
tf.norm(x)
# Networks
tf.nn.relu(v)
tf.nn.relu(i)
tf.nn.relu6(v * 5)
tf.nn.gelu(v)
tf.nn.gelu(v, approximate=True)
tf.nn.elu(v)
tf.nn.selu(v)
tf.nn.leaky_relu(v, 0.3)
tf.nn.silu(v)
tf.nn.softmax(x, axis=0)
tf.nn.softmax(i)
tf.nn.log_softmax(z, axis=1)
tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(b, tf.float32), logits=x)
tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(y), logits=y)
tf.nn.softmax_cross_entropy_with_logits(labels=x, logits=y)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[2, 0], logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[3, 0], logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=x)
tf.nn.conv2d(image, kernel, 1, "SAME")
tf.nn.conv2d(image, kernel, [1, 2, 2, 1], "VALID")
tf.nn.conv2d(image, kernel, 1, "SAME", dilations=2)
tf.nn.conv2d(image, kernel[:, :, :2], 1, "SAME")
tf.nn.conv2d(image, kernel, 1, "OTHER")
tf.nn.conv2d(image[0], kernel, 1, "SAME")
tf.nn.conv2d_transpose(image, thin, [1, 12, 10, 4], 2)
tf.nn.conv2d_transpose(image, thin, [1, 13, 10, 4], 2)
tf.nn.conv1d(z, tf.ones([2, 4, 3]), 1, "SAME")
tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], "SAME")
tf.nn.max_pool2d(image, 2, 2, "VALID")
tf.nn.avg_pool2d(image, 3, 2, "SAME")
tf.nn.max_pool(z, 2, 1, "SAME")
tf.nn.bias_add(z, [1.0, 2.0, 3.0, 4.0])
tf.nn.bias_add(z, [1.0, 2.0])
tf.nn.batch_normalization(x, v, 1.0 + v * v, None, None, 1e-3)
tf.nn.local_response_normalization(image)
tf.nn.embedding_lookup(y, [[0, 2], [1, 1]])
tf.nn.embedding_lookup(y, [5])
tf.nn.space_to_depth(image[:, :4, :4], 2)
tf.nn.l2_loss(x)
tf.nn.dropout(x, 0.0)
tf.nn.dropout(x, 1.5)
# Images
tf.image.resize(image, [3, 4])
tf.image.resize(image, [9, 4], method="nearest")
tf.image.resize(image, [9, 7], method="bicubic", antialias=True)
tf.image.resize(pixels, [2, 2], method="area")
tf.image.resize(pixels, [8, 9], preserve_aspect_ratio=True)
tf.image.resize(x, [2, 2])
tf.image.flip_left_right(pixels)
tf.image.rot90(pixels, 3)
tf.image.rgb_to_grayscale(pixels)
tf.image.rgb_to_hsv(image)
tf.image.adjust_contrast(image, 2.0)
tf.image.adjust_hue(image, 0.2)
tf.image.adjust_saturation(pixels, 1.5)
tf.image.convert_image_dtype(pixels, tf.float32)
tf.image.convert_image_dtype(image, tf.uint8)
tf.image.per_image_standardization(pixels)
tf.image.central_crop(image, 0.5)
tf.image.crop_to_bounding_box(image, 1, 1, 3, 3)
tf.image.crop_to_bounding_box(image, 1, 1, 9, 3)
tf.image.resize_with_pad(image, 4, 9)
tf.image.ssim(image, image * image, 1.0, filter_size=3)
tf.image.psnr(image, image * 0.9, 1.0)
tf.image.total_variation(image)
tf.image.extract_patches(image, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
tf.image.sobel_edges(image)
# Strings and ragged tensors
tf.strings.split(s)
tf.strings.split(s, " ")
tf.strings.split(s, " ", maxsplit=1)
tf.strings.length(t, "UTF8_CHAR")
tf.strings.length(s)
tf.strings.substr(t, 1, 4, unit="UTF8_CHAR")
tf.strings.substr(s, 2, 1)
tf.strings.join([s, "!"], separator="-")
tf.strings.upper(t)
tf.strings.lower(t, encoding="utf-8")
tf.strings.regex_replace(s, "[aeiou]", "<\\\\0>")
tf.strings.regex_full_match(s, "a.*")
tf.strings.strip(s)
tf.strings.to_number(["1.5", "-3e2"])
tf.strings.to_number(["1.5", "x"])
tf.strings.to_number(["7"], tf.int32)
tf.strings.to_hash_bucket_fast(s, 1000)
tf.strings.reduce_join(s, separator=",")
tf.strings.bytes_split(s)
tf.strings.unicode_decode(t, "UTF-8")
tf.strings.format("{} and {}", (i, v))
tf.strings.ngrams(["a", "b", "c"], 2)
tf.as_string(x)
tf.as_string(v, precision=2)
tf.as_string(i)
s + "!"
tf.ragged.constant([[1, 2], [], [3]])
tf.ragged.constant([[1, 2], [], [3]]) * 2
tf.ragged.constant([[1, 2], [], [3]]).to_tensor(-1)
tf.reduce_sum(tf.ragged.constant([[1, 2], [], [3]]), 1)
tf.RaggedTensor.from_row_lengths(v, [1, 2])
tf.RaggedTensor.from_row_lengths(v, [1, 1])
tf.ragged.range([2, 3])
tf.sparse.to_dense(tf.sparse.from_dense(i))
tf.sparse.sparse_dense_matmul(tf.sparse.from_dense(x), y)
tf.sparse.reduce_sum(tf.sparse.from_dense(x), 1)
tf.sparse.to_dense(tf.SparseTensor([[0, 5]], [1], [2, 3]))
# Random numbers from seeds, signals, control flow
tf.random.stateless_uniform([3], [1, 2])
tf.random.stateless_normal([2, 2], [1, 2], dtype=tf.float64)
tf.random.stateless_uniform([3], [1, 2], 0, 10, tf.int32)
tf.random.stateless_uniform([3], [1, 2], dtype=tf.int32)
tf.random.experimental.stateless_shuffle(tf.range(6), [1, 2])
tf.random.Generator.from_seed(3).normal([3])
tf.random.experimental.stateless_fold_in([1, 2], 3)
tf.signal.fft(c)
tf.signal.rfft(x)
tf.signal.irfft(c)
tf.signal.dct(x)
tf.signal.frame(v, 2, 1)
tf.signal.stft(tf.reshape(z, [24]), 8, 4)
tf.signal.hann_window(5)
tf.cond(x[0, 0] > 0, lambda: x, lambda: -x)
tf.while_loop(lambda k, a: k < 3, lambda k, a: (k + 1, a * x), [0, x])
tf.map_fn(lambda row: row * 2, x)
tf.scan(lambda a, row: a + row, x)
tf.foldl(lambda a, row: a + row, x)
tf.vectorized_map(lambda row: tf.reduce_sum(row), x)
tf.switch_case(tf.constant(1), [lambda: x, lambda: x * 2])
tf.debugging.assert_equal(x, x + 1)
tf.debugging.assert_shapes([(x, ("N", 2))])
tf.debugging.check_numerics(v / 0.0, "bad")
tf.ensure_shape(x, [2, None])
tf.ensure_shape(x, [3, None])
tf.stop_gradient(x) * x
tf.grad_pass_through(lambda a: a * 2)(x)
tf.custom_gradient(lambda a: (a * 2, lambda g: g * 5))(x)
tf.nest.map_structure(lambda a: a + 1, {"b": x, "a": [i]})
tf.identity_n([x, i])
tf.no_such_function(x)
"""


def function_requests() -> list[dict[str, Any]]:
    """The expressions with the tensors that each names."""
    requests = []
    for line in EXPRESSIONS.strip().splitlines():
        if not line.startswith("#"):
            words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"|\.\w+', "", line)))
            inputs = {name: array for name, array in TENSORS.items() if name in words}
            requests.append({"name": line, "expression": line, "inputs": inputs})
    return requests
