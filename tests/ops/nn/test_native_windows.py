"""Native convolutions and pools give what XLA's own kernels give, on shapes of every kind."""

import functools
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

from penstock.engine import native
from penstock.engine.xla import jit
from penstock.ops.nn import conv_ops as nn_conv_ops
from penstock.ops.nn import depthwise_ops as nn_depthwise_ops
from penstock.ops.nn import native_windows
from penstock.ops.nn import pool_ops as nn_pool_ops
from penstock.ops.windows import layout

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(ml_dtypes.bfloat16): 0.05}


def compiled(body, *arrays, **attrs):
    return np.asarray(jit(lambda *each: body(*each, **attrs))(*arrays))


def check(function, body, *arrays, **attrs):
    """`body` gives the same with the native kernel, which it uses, and without."""
    with mock.patch.object(native_windows, function, wraps=getattr(native_windows, function)) as used:
        ours = compiled(body, *arrays, **attrs)
    assert used.called
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = compiled(body, *arrays, **attrs)
    assert ours.dtype == theirs.dtype
    limit = TOLERANCE[ours.dtype] * (1 + np.abs(theirs.astype("f")).max(initial=0))
    np.testing.assert_allclose(ours.astype("f"), theirs.astype("f"), rtol=TOLERANCE[ours.dtype], atol=limit)


def random_array(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@st.composite
def convolutions(draw):
    """(x, w, dy, attrs) of a convolution of any kind; sizes are small, odd, 1, and for the batch sometimes 0."""
    space = draw(st.integers(1, 3))
    form = layout(draw(st.sampled_from(FORMATS[space])))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    taken, made = draw(st.sampled_from([1, 3, 5, 16, 17])), groups * draw(st.sampled_from([1, 2, 7, 16]))
    filters = draw(st.lists(st.integers(1, 3), min_size=space, max_size=space))
    strides = draw(st.lists(st.integers(1, 3), min_size=space, max_size=space))
    dilations = draw(st.lists(st.integers(1, 2), min_size=space, max_size=space))
    sizes = [draw(st.integers((k - 1) * d + 1, 8)) for k, d in zip(filters, dilations)]
    padding = draw(st.sampled_from(["SAME", "VALID", "EXPLICIT"]))
    explicit = draw(st.lists(st.integers(0, 2), min_size=2 * space, max_size=2 * space))
    attrs = {
        "strides": form.arrange(1, strides, 1),
        "dilations": form.arrange(1, dilations, 1),
        "padding": padding,
        "data_format": form.data_format,
    }
    if padding == "EXPLICIT":
        pairs = form.arrange((0, 0), list(zip(explicit[::2], explicit[1::2])), (0, 0))
        attrs["explicit_paddings"] = [each for pair in pairs for each in pair]
    dtype = draw(st.sampled_from([np.float32, np.float32, ml_dtypes.bfloat16]))
    x = random_array(form.arrange(draw(st.sampled_from([0, 1, 2, 3])), sizes, groups * taken), dtype)
    w = random_array((*filters, taken, made), dtype, seed=1)
    return x, w, attrs


@settings(max_examples=25, deadline=None)
@given(convolutions())
def test_convolution(case):
    x, w, attrs = case
    check("convolution", nn_conv_ops.convolution_of, x, w, **attrs)


@settings(max_examples=25, deadline=None)
@given(convolutions())
def test_gradients_of_convolution(case):
    check_gradients(*case)


def check_gradients(x, w, attrs):
    form, window = nn_conv_ops._geometry(x.shape, w.shape, attrs)
    outputs = window.output_sizes(form.take_spatial(x.shape))
    dy = random_array(form.arrange(x.shape[0], outputs, w.shape[-1]), x.dtype, seed=2)
    check(
        "input_gradient",
        lambda w, dy, **attrs: nn_conv_ops.input_gradient_of(np.array(x.shape), w, dy, **attrs),
        w, dy, **attrs,
    )  # fmt: skip
    check(
        "filter_gradient",
        lambda x, dy, **attrs: nn_conv_ops.filter_gradient_of(x, np.array(w.shape), dy, **attrs),
        x, dy, **attrs,
    )  # fmt: skip


@st.composite
def convolutions_by_winograd(draw):
    """(x, w, attrs) of what Winograd's algorithm computes: 3 by 3 filters, stride 1, many channels."""
    padding = draw(st.sampled_from(["SAME", "VALID", "EXPLICIT"]))
    pads = draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    attrs = {
        "strides": [1] * 4,
        "dilations": [1] * 4,
        "padding": padding,
        "data_format": "NHWC",
        "explicit_paddings": [0, 0, *pads, 0, 0] if padding == "EXPLICIT" else [],
    }
    sizes = draw(st.lists(st.integers(4, 11), min_size=2, max_size=2))
    taken, made = (draw(st.sampled_from([32, 48, 112])) for _ in range(2))
    x = random_array((draw(st.sampled_from([1, 2, 5])), *sizes, taken))
    return x, random_array((3, 3, taken, made), seed=1) / np.float32(np.sqrt(9 * taken)), attrs


@settings(max_examples=6, deadline=None)
@given(convolutions_by_winograd())
def test_winograds_algorithm(case):
    x, w, attrs = case
    check("convolution", nn_conv_ops.convolution_of, x, w, **attrs)
    check_gradients(x, w, attrs)


@st.composite
def depthwise_convolutions(draw):
    """(x, w, attrs): a filter of its own, or several, for each channel."""
    form = layout(draw(st.sampled_from(FORMATS[2])))
    channels, multiplier = draw(st.sampled_from([(1, 1), (5, 1), (16, 1), (33, 1), (3, 4)]))
    stride, dilation = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2)]))
    attrs = {
        "strides": form.arrange(1, [stride, stride], 1),
        "padding": draw(st.sampled_from(["SAME", "VALID"])),
        "data_format": form.data_format,
        "dilations": form.arrange(1, [dilation, dilation], 1),
    }
    dtype = draw(st.sampled_from([np.float32, ml_dtypes.bfloat16]))
    filters = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    sizes = [draw(st.integers((k - 1) * dilation + 1, 8)) for k in filters]
    x = random_array(form.arrange(draw(st.integers(0, 3)), sizes, channels), dtype)
    return x, random_array((*filters, channels, multiplier), dtype, seed=1), attrs


@settings(max_examples=8, deadline=None)
@given(depthwise_convolutions())
def test_depthwise_convolution(case):
    x, w, attrs = case
    check("convolution", nn_depthwise_ops._forward, x, w, **attrs)
    dy = random_array(compiled(nn_depthwise_ops._forward, x, w, **attrs).shape, x.dtype, seed=2)
    check(
        "input_gradient",
        lambda w, dy, **attrs: nn_depthwise_ops._input_gradient(np.array(x.shape), w, dy, **attrs),
        w, dy, **attrs,
    )  # fmt: skip
    check(
        "filter_gradient",
        lambda x, dy, **attrs: nn_depthwise_ops._filter_gradient(x, np.array(w.shape), dy, **attrs),
        x, dy, **attrs,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("limit", [0.0, 1.5])
@pytest.mark.parametrize("channels, outputs", [(3, 7), (32, 48)])
def test_scale_bias_and_relu(channels, outputs, limit, dtype):
    form = layout("NHWC")
    x, w = random_array((2, 6, 5, channels), dtype), random_array((3, 3, channels, outputs), dtype, seed=1)
    scale, b = (random_array((outputs,), dtype, seed=seed) for seed in (2, 3))
    attrs = {"strides": [1] * 4, "dilations": [1] * 4, "padding": "SAME", "data_format": "NHWC"}
    _, window = nn_conv_ops._geometry(x.shape, w.shape, attrs)
    fused = compiled(
        lambda *arrays: native_windows.convolution(
            arrays[0], arrays[1], form, window, arrays[2], relu=True, scale=arrays[3], limit=limit
        ),
        *(x, w, b, scale),
    )
    plain = compiled(nn_conv_ops.convolution_of, *(each.astype("f") for each in (x, w)), **attrs)
    expected = np.clip(plain * scale.astype("f") + b.astype("f"), 0, limit or None)
    near = TOLERANCE[np.dtype(dtype)]
    np.testing.assert_allclose(fused.astype("f"), expected, rtol=near, atol=near * (1 + np.abs(plain).max()))


@settings(max_examples=8, deadline=None)
@given(convolutions(), st.integers(1, 3))
def test_transposed_convolution(case, batch):
    """It is the gradient with respect to images: <convolution(x), y> = <x, transposed(y)>."""
    _, w, attrs = case
    form = layout(attrs["data_format"])
    _, window = nn_conv_ops._geometry(case[0].shape, w.shape, attrs)
    sizes = form.take_spatial(case[0].shape)
    shape = (batch, *case[0].shape[1:])
    small = random_array(form.arrange(batch, window.output_sizes(sizes), w.shape[-1]), w.dtype)
    large = compiled(lambda w, x: nn_conv_ops.input_gradient_of(np.array(shape), w, x, **attrs), w, small)
    back = compiled(nn_conv_ops.convolution_of, random_array(shape, w.dtype, seed=3), w, **attrs)
    one = np.vdot(back.astype("d"), small.astype("d"))
    other = np.vdot(random_array(shape, w.dtype, seed=3).astype("d"), large.astype("d"))
    scale = np.linalg.norm(back.astype("d")) * np.linalg.norm(small.astype("d"))
    assert abs(one - other) <= TOLERANCE[np.dtype(w.dtype)] * (1 + scale)


@st.composite
def pools(draw):
    """(x, attrs) of a pool; numbers are few, so that maxima are often equal."""
    space = draw(st.integers(2, 3))
    form = layout(draw(st.sampled_from(FORMATS[space])))
    size = draw(st.lists(st.integers(1, 3), min_size=space, max_size=space))
    strides = draw(st.lists(st.integers(1, 3), min_size=space, max_size=space))
    sizes = [draw(st.integers(k, 7)) for k in size]
    shape = form.arrange(draw(st.integers(0, 3)), sizes, draw(st.sampled_from([1, 3, 16, 17])))
    dtype = draw(st.sampled_from([np.float32, ml_dtypes.bfloat16]))
    x = np.random.default_rng(0).integers(-3, 3, shape).astype(dtype)
    return x, {
        "ksize": form.arrange(1, size, 1),
        "strides": form.arrange(1, strides, 1),
        "padding": draw(st.sampled_from(["SAME", "VALID"])),
        "data_format": form.data_format,
    }


@pytest.mark.parametrize("relu, over_x", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("channels", [16, 48, 5])
@pytest.mark.parametrize("size", [[2, 2], [1, 3], [2, 3, 1]])
def test_gradient_of_a_max_pool_that_divides_images(size, channels, relu, over_x):
    form = layout(FORMATS[len(size)][0])
    x = np.random.default_rng(0).integers(-2, 3, form.arrange(3, [6] * len(size), channels)).astype("f")
    x[0, 0, 0] = np.nan
    windows = form.arrange(1, size, 1)
    attrs = {"ksize": windows, "strides": windows, "padding": "VALID", "data_format": form.data_format}
    x = np.maximum(x, 0) if relu else x
    y = compiled(nn_pool_ops._max_pool, x, **attrs)
    dy = random_array(y.shape)
    body = nn_pool_ops._max_pool_gradient
    if relu:
        body = functools.partial(nn_pool_ops.max_pool_and_relu_gradient_of, over_x=over_x)
    ours = compiled(body, x, y, dy, **attrs)  # of a copy of x, where that is written over
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = compiled(nn_pool_ops._max_pool_gradient, x, y, dy, **attrs)
    np.testing.assert_array_equal(ours, np.where(x > 0, theirs, 0) if relu else theirs)


@settings(max_examples=10, deadline=None)
@given(pools(), st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_max_pool_with_explicit_padding(case, pads):
    x, attrs = case
    if x.ndim != 4:
        return
    form = layout(attrs["data_format"])
    size = form.take_spatial(attrs["ksize"])
    pads = [min(pad, size[i // 2] - 1) for i, pad in enumerate(pads)]
    pairs = form.arrange((0, 0), [pads[:2], pads[2:]], (0, 0))
    attrs = {**attrs, "padding": "EXPLICIT", "explicit_paddings": [each for pair in pairs for each in pair]}
    check("pool", nn_pool_ops._max_pool, x, **attrs)
    y = compiled(nn_pool_ops._max_pool, x, **attrs)
    dy = random_array(y.shape, x.dtype)
    check("max_pool_gradient", nn_pool_ops._max_pool_gradient, x, y, dy, **attrs)


@settings(max_examples=8, deadline=None)
@given(pools())
def test_gradient_of_max_pool_and_relu(case):
    x, attrs = case
    if not attrs["data_format"].endswith("C") or x.size == 0:
        return
    x = np.maximum(x, np.zeros((), x.dtype))
    y = compiled(nn_pool_ops._max_pool, x, **attrs)
    dy = random_array(y.shape, x.dtype)
    plain = compiled(nn_pool_ops._max_pool_gradient, x, y, dy, **attrs)
    both = compiled(nn_pool_ops.max_pool_and_relu_gradient_of, x, y, dy, **attrs)
    np.testing.assert_array_equal(both, np.where(x > 0, plain, np.zeros((), x.dtype)))


@settings(max_examples=20, deadline=None)
@given(pools())
def test_max_pool(case):
    x, attrs = case
    check("pool", nn_pool_ops._max_pool, x, **attrs)
    y = compiled(nn_pool_ops._max_pool, x, **attrs)
    dy = random_array(y.shape, x.dtype)
    check("max_pool_gradient", nn_pool_ops._max_pool_gradient, x, y, dy, **attrs)


@settings(max_examples=20, deadline=None)
@given(pools())
def test_average_pool(case):
    x, attrs = case
    check("pool", nn_pool_ops._avg_pool, x, **attrs)
    dy = random_array(compiled(nn_pool_ops._avg_pool, x, **attrs).shape, x.dtype)
    check(
        "average_pool_gradient",
        lambda dy, **attrs: nn_pool_ops._avg_pool_gradient(np.array(x.shape), dy, **attrs),
        dy, **attrs,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_max_pool_keeps_nan(dtype):
    x = np.array([[[[np.nan], [1.0]], [[2.0], [3.0]]]], dtype)
    attrs = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID", "data_format": "NHWC"}
    check("pool", nn_pool_ops._max_pool, x, **attrs)
    assert np.isnan(compiled(nn_pool_ops._max_pool, x, **attrs)).all()


def test_kernels_of_several_threads():
    """A thread may do what others wait for; each gets its own results, and as often as it asks."""
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC"}
    w = random_array((3, 3, 32, 32))
    convolve = jit(lambda x, w: nn_conv_ops.convolution_of(x, w, **attrs))
    images = [random_array((size, 12, 12, 32), seed=size) for size in range(1, 7)]
    alone = [np.asarray(convolve(x, w)) for x in images]

    def repeat(number):
        return [np.asarray(convolve(images[number], w)) for _ in range(50)]

    with ThreadPoolExecutor(len(images)) as threads:
        for expected, found in zip(alone, threads.map(repeat, range(len(images)))):
            assert all(np.array_equal(each, expected) for each in found)
