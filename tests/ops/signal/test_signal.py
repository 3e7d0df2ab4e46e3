"""`tf.signal`: values are TensorFlow's, shapes with unknown sizes, gradients, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

s = tf.signal
X = np.array([[1.5, -2.0, 0.5, 3.0, -1.0, 2.5], [0.0, 1.0, -1.5, 2.0, 4.0, -0.5]], np.float32)


def close(got, expected, tolerance=2e-4):
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=tolerance, atol=tolerance)


# The Fourier transforms against NumPy.

TRANSFORMS = [
    (s.fft, np.fft.fft, {}, {}),
    (s.ifft, np.fft.ifft, {}, {}),
    (s.fft2d, np.fft.fft2, {}, {}),
    (s.ifft2d, np.fft.ifft2, {}, {}),
    (s.rfft, np.fft.rfft, {}, {}),
    (s.rfft, np.fft.rfft, {"fft_length": [4]}, {"n": 4}),
    (s.rfft, np.fft.rfft, {"fft_length": [9]}, {"n": 9}),
    (s.rfft2d, np.fft.rfft2, {}, {}),
    (s.rfft2d, np.fft.rfft2, {"fft_length": [4, 5]}, {"s": (4, 5)}),
    (s.irfft, np.fft.irfft, {}, {}),
    (s.irfft, np.fft.irfft, {"fft_length": [7]}, {"n": 7}),
    (s.irfft, np.fft.irfft, {"fft_length": [20]}, {"n": 20}),
    (s.irfft2d, np.fft.irfft2, {"fft_length": [2, 4]}, {"s": (2, 4)}),
    (s.fftnd, np.fft.fftn, {"axes": [0]}, {"axes": [0]}),
    (s.fftnd, np.fft.fftn, {"fft_length": [3, 4], "axes": [0, 1]}, {"s": (3, 4), "axes": (0, 1)}),
    (s.fftnd, np.fft.fftn, {"norm": "ortho"}, {"norm": "ortho"}),
    (s.ifftnd, np.fft.ifftn, {"norm": "forward", "axes": [1]}, {"norm": "forward", "axes": [1]}),
    (s.rfftnd, np.fft.rfftn, {"axes": [1, 0], "norm": "ortho"}, {"axes": (1, 0), "norm": "ortho"}),
    (s.irfftnd, np.fft.irfftn, {"axes": [0, 1], "norm": "ortho"}, {"axes": (0, 1), "norm": "ortho"}),
]


@pytest.mark.parametrize(("ours", "theirs", "arguments", "numpy_arguments"), TRANSFORMS)
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_transforms(wrap, ours, theirs, arguments, numpy_arguments):
    real = ours.__name__.startswith("rfft")
    x = X if real else (X + 1j * X[::-1]).astype(np.complex64)
    close(wrap(lambda x: ours(x, **arguments))(tf.constant(x)), theirs(x, **numpy_arguments))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_large_transforms(axes):
    x = np.random.default_rng(0).normal(size=(2, 64, 32, 32)).astype(np.float32)
    suffix = {1: "", 2: "2d", 3: "3d"}[axes]
    over = tuple(range(4 - axes, 4))
    spectra = getattr(tf.signal, f"rfft{suffix}")(x)
    assert spectra.dtype == "complex64"
    np.testing.assert_allclose(spectra, np.fft.rfftn(x, axes=over), atol=1e-3)
    np.testing.assert_allclose(getattr(tf.signal, f"irfft{suffix}")(spectra), x, atol=1e-5)
    whole = getattr(tf.signal, f"fft{suffix}")(tf.cast(x, "complex64"))
    np.testing.assert_allclose(whole, np.fft.fftn(x, axes=over), atol=1e-3)


def test_dtypes_follow_the_input():
    assert s.rfft(tf.constant(X, tf.float64)).dtype == tf.complex128
    assert s.irfft(tf.constant(X, tf.complex128)).dtype == tf.float64
    assert s.stft(tf.constant(X, tf.float64), 4, 2).dtype == tf.complex128


def test_shapes_with_unknown_sizes():
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
    def f(x):
        z = tf.cast(x, tf.complex64)
        shapes.extend(
            each.shape.as_list()
            for each in (
                s.fft(z), s.rfft(x), s.rfft(x, [6]), s.irfft(z, [6]), s.frame(x, 4, 2), s.stft(x, 8, 4), s.dct(x, n=4),
                s.mdct(x, 8), s.fftshift(x), s.overlap_and_add(x[..., tf.newaxis] * tf.ones([4]), 2),
            )
        )  # fmt: skip
        return (
            s.inverse_stft(s.stft(x, 8, 4), 8, 4),
            s.fftshift(s.rfft(x)),
            s.irfft(z),
            s.frame(x, 3, 2, pad_end=True),
        )

    shapes: list = []
    signal = tf.constant(np.tile(X, 4))
    inverse, shifted, real, framed = f(signal)
    assert shapes == [
        [None, None], [None, None], [None, 4], [None, 6], [None, None, 4], [None, None, 5], [None, 4], [None, None, 4],
        [None, None], [None, None],
    ]  # fmt: skip
    close(inverse, s.inverse_stft(s.stft(signal, 8, 4), 8, 4))
    close(shifted, s.fftshift(s.rfft(signal)))
    close(real, s.irfft(tf.cast(signal, tf.complex64)))
    close(framed, s.frame(signal, 3, 2, pad_end=True))


def test_lengths_known_only_when_it_runs():
    f = tf.function(lambda x, n: (s.rfft(x, [n]), s.frame(x, n, n // 2), s.hann_window(n)))
    spectrum, framed, window = f(tf.constant(X), tf.constant(4))
    close(spectrum, np.fft.rfft(X, 4))
    close(framed, s.frame(X, 4, 2))
    close(window, s.hann_window(4))


FRAMES = [
    ((np.arange(9), 4, 2), {}, [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]),
    ((np.arange(7), 4, 3), {"pad_end": True, "pad_value": -1}, [[0, 1, 2, 3], [3, 4, 5, 6], [6, -1, -1, -1]]),
    ((np.arange(9), 3, 5), {}, [[0, 1, 2], [5, 6, 7]]),
    ((np.arange(6).reshape(3, 2), 2, 1), {"axis": 0}, [[[0, 1], [2, 3]], [[2, 3], [4, 5]]]),
    ((np.arange(3), 5, 1), {}, np.zeros([0, 5])),
]


@pytest.mark.parametrize(("arguments", "options", "expected"), FRAMES, ids=range(len(FRAMES)))
def test_frame(arguments, options, expected):
    np.testing.assert_array_equal(s.frame(*arguments, **options), expected)


ADDED = [
    (2, [0, 1, 6, 8, 14, 16, 10, 11]),
    (3, [0, 1, 2, 7, 5, 6, 15, 9, 10, 11]),
    (4, list(range(12))),
    (5, [0, 1, 2, 3, 0, 4, 5, 6, 7, 0, 8, 9, 10, 11]),
]


@pytest.mark.parametrize(("step", "expected"), ADDED)
def test_overlap_and_add(step, expected):
    np.testing.assert_array_equal(s.overlap_and_add(np.arange(12).reshape(3, 4), step), expected)


WINDOWS = [
    (s.hann_window(5), [0, 0.5, 1, 0.5, 0]),
    (s.hann_window(6), [0, 0.25, 0.75, 1, 0.75, 0.25]),
    (s.hann_window(6, periodic=False), [0, 0.3455, 0.9045, 0.9045, 0.3455, 0]),
    (s.hann_window(1), [1]),
    (s.hann_window(0), []),
    (s.hamming_window(6), [0.08, 0.31, 0.77, 1, 0.77, 0.31]),
    (s.kaiser_window(6), [0.0001, 0.1017, 0.7929, 0.7929, 0.1017, 0.0001]),
    (s.kaiser_window(5, beta=4.0, dtype=tf.float64), [0.0885, 0.6334, 1, 0.6334, 0.0885]),
    (s.kaiser_bessel_derived_window(6), [0.0071, 0.7071, 1, 1, 0.7071, 0.0071]),
    (s.vorbis_window(6), [0.1050, 0.7071, 0.9945, 0.9945, 0.7071, 0.1050]),
    (s.inverse_stft_window_fn(4)(6, tf.float32), [0, 2, 4 / 3, 1, 4 / 3, 2]),
]


@pytest.mark.parametrize(("window", "expected"), WINDOWS, ids=range(len(WINDOWS)))
def test_windows(window, expected):
    close(window, expected, 1e-4)


def test_stft():
    found = s.stft(tf.range(20.0), 8, 4)
    assert found.shape == (4, 5)
    close(found[0], [16, -8 + 3.8284j, -0.8284j, -0.1716j, 0], 1e-3)


def test_inverse_stft_undoes_stft():
    x = tf.range(40.0)
    back = s.inverse_stft(s.stft(x, 8, 2), 8, 2, window_fn=s.inverse_stft_window_fn(2))
    close(back[6:34], x[6:34], 1e-3)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_dct_matrix(kind):
    n = np.arange(6)
    k, j = n[:, None], n[None, :]
    matrix = {
        1: 2 * np.cos(np.pi * k * j / 5) * np.where((j == 0) | (j == 5), 0.5, 1),
        2: 2 * np.cos(np.pi * k * (2 * j + 1) / 12),
        3: 2 * np.cos(np.pi * (2 * k + 1) * j / 12) * np.where(j == 0, 0.5, 1),
        4: 2 * np.cos(np.pi * (2 * k + 1) * (2 * j + 1) / 24),
    }[kind]
    close(s.dct(X, type=kind), X @ matrix.T, 1e-3)


@pytest.mark.parametrize("kind", [2, 3, 4])
def test_orthonormal_idct_undoes_dct(kind):
    close(s.idct(s.dct(X, type=kind, norm="ortho"), type=kind, norm="ortho"), X, 1e-4)


def test_dct_crops_and_pads():
    close(s.dct(X, n=4), s.dct(X[:, :4]))
    close(s.dct(X, n=8), s.dct(np.pad(X, [[0, 0], [0, 2]])))


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("window", [s.vorbis_window, s.kaiser_bessel_derived_window, None])
def test_inverse_mdct_undoes_mdct(norm, window):
    x = tf.range(24.0)
    close(s.inverse_mdct(s.mdct(x, 8, window, norm=norm), window, norm=norm)[4:20], x[4:20], 1e-3)


def test_mdct():
    close(s.mdct(tf.range(16.0), 8)[0], [-25.3343, -2.9630, -2.7059, -0.3389], 1e-3)


def test_mel_weights():
    expected = [
        [0, 0, 0, 0], [0.8957, 0.1043, 0, 0], [0, 0.8691, 0.1309, 0], [0, 0.1092, 0.8908, 0], [0, 0, 0.5056, 0.4944],
        [0, 0, 0.0048, 0.9952], [0, 0, 0, 0.5769], [0, 0, 0, 0.2033], [0, 0, 0, 0],
    ]  # fmt: skip
    close(s.linear_to_mel_weight_matrix(4, 9), expected, 1e-3)
    close(s.linear_to_mel_weight_matrix(4, tf.constant(9), tf.constant(8000)), expected, 1e-3)


def test_mfccs():
    close(s.mfccs_from_log_mel_spectrograms(X), s.dct(X) / np.sqrt(12.0))


REFUSED = [
    (lambda: s.frame(5, 3, 2), ValueError),
    (lambda: s.frame(np.arange(9), [3], 2), ValueError),
    (lambda: s.frame(np.arange(9), 3, 0), tf.errors.InvalidArgumentError),
    (lambda: s.overlap_and_add(np.arange(12), 2), ValueError),
    (lambda: s.overlap_and_add(np.zeros([3, 4]), 2.0), ValueError),
    (lambda: s.hann_window(5, dtype=tf.int32), ValueError),
    (lambda: s.hann_window([5]), ValueError),
    (lambda: s.hann_window(5.0), TypeError),
    (lambda: s.dct(X, type=5), ValueError),
    (lambda: s.dct(X, type=1, norm="ortho"), ValueError),
    (lambda: s.dct(X, n=0), ValueError),
    (lambda: s.dct(X, axis=0), NotImplementedError),
    (lambda: s.dct(X[:, :1], type=1), ValueError),
    (lambda: s.idct(X, norm="bad"), ValueError),
    (lambda: s.mdct(X, 6), ValueError),
    (lambda: s.linear_to_mel_weight_matrix(0, 9), ValueError),
    (lambda: s.linear_to_mel_weight_matrix(4, 9, upper_edge_hertz=5000.0), ValueError),
    (lambda: s.linear_to_mel_weight_matrix(4, 9, lower_edge_hertz=3900.0), ValueError),
    (lambda: s.fftnd(X.astype(np.complex64), norm="bad"), ValueError),
    (lambda: s.fftnd(X.astype(np.complex64), axes=[5]), tf.errors.InvalidArgumentError),
    (lambda: s.rfft(X, [4, 4]), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()


DIFFERENTIABLE = [
    lambda x: tf.math.real(s.stft(x, 4, 2)),
    lambda x: s.dct(x),
    lambda x: s.mdct(x, 4),
    lambda x: s.frame(x, 4, 1),
    lambda x: s.overlap_and_add(tf.reshape(x, [2, 2, 3]), 2),
    lambda x: s.irfft(tf.complex(x, x * x), [7]),
]


@pytest.mark.parametrize("function", DIFFERENTIABLE, ids=range(len(DIFFERENTIABLE)))
def test_gradients_against_finite_differences(function):
    x = tf.constant(X, tf.float64)

    def loss(x):
        return tf.reduce_sum(tf.sin(function(x)))

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = loss(x)
    gradient = tape.gradient(y, x).numpy()
    for place in [(0, 1), (1, 4), (0, 5)]:
        step = np.zeros_like(X, np.float64)
        step[place] = 1e-6
        slope = (loss(x + step) - loss(x - step)) / 2e-6
        assert abs(slope.numpy() - gradient[place]) < 1e-5


def test_tf1_names():
    assert tf.compat.v1.spectral.rfft is s.rfft
    assert tf.compat.v1.fft is s.fft
    assert tf.compat.v1.spectral.dct is s.dct
