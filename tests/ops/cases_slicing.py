"""Cases of `ops.slicing`."""

import numpy as np

from tests.ops.op_cases import Case, floats, integers, strings


def strided(shape, first, last, steps, value, **attrs):
    """The four ops of one strided slice: the slice, its gradient and its update."""
    masks = {f"{name}_mask": mask for name, mask in attrs.items()}
    bounds = [np.array(each, np.int32) for each in (first, last, steps)]
    sliced = floats(*value)
    return [
        Case("StridedSlice", [floats(*shape), *bounds], masks, grad=[0]),
        Case("StridedSliceGrad", [np.array(shape, np.int32), *bounds, sliced], masks, grad=[4]),
        Case("TensorStridedSliceUpdate", [floats(*shape), *bounds, sliced], masks, grad=[0, 4]),
    ]


CASES = [
    Case("Slice", [floats(3, 4), [1, 0], [2, 3]], grad=[0]),
    Case("Slice", [floats(3, 4), np.array([0, 2], np.int64), np.array([-1, -1], np.int64)], grad=[0]),
    Case("Slice", [strings("a", "b", "c"), [1], [1]]),
    Case("Slice", [floats(3), [3], [0]]),
    Case("Slice", [floats(3), [2], [2]], raises="InvalidArgumentError"),
    Case("Slice", [floats(3), [-1], [1]], raises="InvalidArgumentError"),
    Case("Slice", [floats(3), [0, 0], [1, 1]], raises="InvalidArgumentError"),
    *strided((5, 6), [1, 0], [4, 5], [1, 2], value=(3, 3)),
    *strided((5, 6), [-1, -1], [0, 0], [-2, -1], value=(2, 5)),
    *strided((5, 6), [-1, 0], [0, 0], [-1, 1], value=(5, 6), begin=3, end=3),
    *strided((5, 6), [-2, 1], [0, 3], [1, 1], value=(2,), shrink_axis=1),
    *strided((2, 3, 4), [0, 1], [0, 2], [1, 1], value=(2, 3), ellipsis=1, shrink_axis=2),
    *strided((2, 3), [0, 0, 0], [0, 0, 0], [1, 1, 1], value=(2, 1, 3), begin=5, end=5, new_axis=2),
    *strided((4,), [3], [1], [1], value=(0,)),
    Case("StridedSlice", [strings("a", "b"), [1], [2], [1]], {"shrink_axis_mask": 1}),
    Case(
        "StridedSlice",
        [integers(4), np.array([1], np.int64), np.array([9], np.int64), np.array([2], np.int64)],
    ),
    Case("StridedSlice", [floats(4), [4], [5], [1]], {"shrink_axis_mask": 1}, raises="InvalidArgumentError"),
    Case("StridedSlice", [floats(4), [0], [5], [0]], raises="InvalidArgumentError"),
    Case("StridedSlice", [floats(4), [0, 0], [1, 1], [1, 1]], raises="InvalidArgumentError"),
    Case(
        "StridedSlice",
        [floats(4, 4), [0, 0], [1, 1], [1, 1]],
        {"ellipsis_mask": 3},
        raises="InvalidArgumentError",
    ),
]
