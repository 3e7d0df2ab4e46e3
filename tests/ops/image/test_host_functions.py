"""The native functions of images and boxes give what the NumPy kernels give, bit for bit."""

import numpy as np
import pytest

from penstock.engine.native import host_library
from penstock.ops.image import adjust, host_functions
from penstock.ops.image.boxes import choose, overlaps_of, suppress

pytestmark = pytest.mark.skipif(
    not hasattr(host_library(), "penstock_choose_boxes"), reason="no native functions"
)


def images(kind):
    random = np.random.default_rng(0)
    pixels = random.random((17, 23, 3), np.float32)
    if kind == "equal channels":
        return np.round(pixels * 2) / 2
    if kind == "large":
        return pixels * 300 - 20
    if kind == "not numbers":
        pixels.flat[random.integers(0, pixels.size, 60)] = random.choice([np.nan, np.inf, -np.inf, -1], 60)
    return pixels


@pytest.mark.parametrize("kind", ["plain", "equal channels", "large", "not numbers"])
@pytest.mark.parametrize("what", ["hue", "saturation"])
@pytest.mark.parametrize("amount", [0.0, 0.3, -0.7, 2.5])
def test_adjusted_pixels(kind, what, amount, monkeypatch):
    pixels, amount = images(kind), np.float32(amount)
    found = host_functions.adjust_pixels(what, pixels, amount)
    monkeypatch.setattr(adjust, "adjust_pixels", lambda *given: None)
    kernel = {"hue": adjust._adjust_hue, "saturation": adjust._adjust_saturation}[what]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, kernel(np, pixels, amount))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [0, 1, 150])
def test_chosen_boxes(count, threshold):
    random = np.random.default_rng(count)
    boxes = random.random((count, 4), np.float32)
    boxes[::3, 2:] = boxes[::3, :2] + 0.2
    boxes[1:2] = np.nan
    scores = np.round(random.random(count), 1).astype(np.float32)
    for limits in ((40, threshold, -np.inf), (5, threshold, 0.45)):
        with np.errstate(invalid="ignore"):
            expected = suppress(overlaps_of(boxes), scores, *limits)
        for ours, theirs in zip(choose(boxes, scores, *limits), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
