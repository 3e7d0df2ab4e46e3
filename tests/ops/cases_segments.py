"""Cases for reductions by segment and for counting."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, complexes, distinct, floats, integers, positive

BF16 = ml_dtypes.bfloat16
SORTED = np.int32([0, 0, 1, 3])
UNSORTED = np.int64([2, 0, 2, -1])


def _segment_cases():
    for kind in ("Sum", "Prod", "Max", "Min"):
        data = distinct if kind in ("Max", "Min") else positive
        yield Case(f"Segment{kind}", [data(4, 3), SORTED], grad=[0])
        yield Case(f"Segment{kind}", [data(4), SORTED], grad=[0])
        yield Case(f"Segment{kind}V2", [data(4, 3), np.int32([0, 0, 1, 2]), 3], grad=[0])
        yield Case(f"Segment{kind}V2", [data(4), SORTED, 6])
        yield Case(f"Segment{kind}V2", [data(4), SORTED, 2], raises="InvalidArgumentError")
        yield Case(f"Segment{kind}", [integers(4, 2), SORTED.astype(np.int64)])
        yield Case(f"Segment{kind}", [data(4, dtype=BF16), SORTED])
        yield Case(f"Segment{kind}", [floats(3), np.int32([0, 2, 1])], raises="InvalidArgumentError")
        yield Case(f"Segment{kind}", [floats(3), np.int32([0, 1])], raises="InvalidArgumentError")
        yield Case(f"UnsortedSegment{kind}", [data(4, 3), UNSORTED, 4])
        yield Case(f"UnsortedSegment{kind}", [data(4, 3), np.int64([1, 0, 1, -1]), 2], grad=[0])
        yield Case(
            f"UnsortedSegment{kind}", [data(2, 2, 3), np.int32([[1, 0], [1, 1]]), np.int64(2)], grad=[0]
        )
        yield Case(f"UnsortedSegment{kind}", [integers(4, 2, dtype=np.int16), UNSORTED, 3])
        yield Case(f"UnsortedSegment{kind}", [data(4, dtype=np.float16), UNSORTED, 5])
        yield Case(f"UnsortedSegment{kind}", [floats(0, 2), np.int32([]), 2])
        yield Case(f"UnsortedSegment{kind}", [floats(2), np.int32([0, 5]), 3], raises="InvalidArgumentError")
        yield Case(
            f"UnsortedSegment{kind}", [floats(2), np.int32([0, 1, 2]), 3], raises="InvalidArgumentError"
        )
    yield Case("UnsortedSegmentSum", [complexes(4), UNSORTED, 3], grad=[0])
    yield Case(
        "UnsortedSegmentProd",
        [np.float32([0, 2, 3, 0, 0]), np.int32([0, 0, 0, 1, 1]), 2],
        grad=[0],
        second=False,
    )
    yield Case("SegmentMean", [floats(4, 3), SORTED], grad=[0])
    yield Case("SegmentMean", [np.int32([-1, -2, 5, 7]), SORTED])
    yield Case("SegmentMean", [floats(4, dtype=BF16), SORTED])
    yield Case("SegmentSum", [floats(0, 2), np.int32([])])
    for kind in ("Sum", "Mean", "SqrtN"):
        rows, ids = np.int32([2, 0, 2, 1]), np.int32([0, 0, 1, 3])
        yield Case(f"SparseSegment{kind}", [floats(3, 2), rows, ids], grad=[0])
        yield Case(f"SparseSegment{kind}WithNumSegments", [floats(3, 2), rows, ids, 6], grad=[0])
        yield Case(f"SparseSegment{kind}", [floats(3, 2, dtype=BF16), rows.astype(np.int64), ids])
        yield Case(
            f"SparseSegment{kind}",
            [floats(3), np.int32([0, 7]), np.int32([0, 0])],
            raises="InvalidArgumentError",
        )
        yield Case(
            f"SparseSegment{kind}",
            [floats(3), np.int32([0, 1]), np.int32([1, 0])],
            raises="InvalidArgumentError",
        )
        yield Case(f"SparseSegment{kind}Grad", [floats(4, 2), rows, ids, 3], grad=[0])
        yield Case(f"SparseSegment{kind}GradV2", [floats(4, 2), rows, ids, 5], dynamic=True)


def _counting_cases():
    none = np.zeros(0, np.int32)
    yield Case("DenseBincount", [np.int32([1, 1, 3]), np.int32(5), none])
    yield Case("DenseBincount", [np.int32([1, 1, 3]), np.int32(3), np.float32([1, 2, 4])])
    yield Case("DenseBincount", [np.int64([[1, 1, 3], [0, 0, 0]]), np.int64(4), np.zeros(0, np.float64)])
    yield Case(
        "DenseBincount", [np.int32([[1, 1, 3], [0, 0, 0]]), np.int32(4), none], {"binary_output": True}
    )
    yield Case("DenseBincount", [np.int32([[1, 1], [0, 0]]), np.int32(2), np.float32([[1, 2], [3, 4]])])
    yield Case("DenseBincount", [np.int32([-1, 1]), np.int32(5), none], raises="InvalidArgumentError")
    yield Case("Bincount", [np.int32([1, 1, 3]), np.int32(5), none])
    yield Case("Bincount", [np.int32([[1, 1], [3, 9]]), np.int32(4), np.float32([[1, 2], [3, 4]])])
    indices, shape = np.int64([[0, 0], [0, 2], [1, 1]]), np.int64([2, 3])
    yield Case("SparseBincount", [indices, np.int32([1, 1, 2]), shape, np.int32(4), none])
    yield Case(
        "SparseBincount", [indices, np.int32([1, 1, 2]), shape, np.int32(4), none], {"binary_output": True}
    )
    yield Case("RaggedBincount", [np.int64([0, 2, 2, 3]), np.int32([1, 1, 2]), np.int32(4), none])
    limits = {"binary_output": False, "minlength": 5, "maxlength": 3}
    for attrs in ({"binary_output": False}, {"binary_output": True}, limits):
        yield Case("DenseCountSparseOutput", [np.int32([1, 1, 3]), none], attrs, dynamic=True)
        yield Case("DenseCountSparseOutput", [np.int64([[1, 1, 3], [0, 0, 0]]), none], attrs, dynamic=True)
        yield Case(
            "SparseCountSparseOutput", [indices, np.int32([1, 1, 2]), shape, none], attrs, dynamic=True
        )
        ragged = [np.int64([0, 2, 2, 3]), np.int32([1, 1, 2]), np.float32([1, 2, 4])]
        yield Case("RaggedCountSparseOutput", ragged, attrs, dynamic=True)
    yield Case(
        "DenseCountSparseOutput", [[-1], none], {"binary_output": False}, raises="InvalidArgumentError"
    )
    values = np.float32([-1, 0, 1.5, 2, 5, 15])
    yield Case("HistogramFixedWidth", [values, np.float32([0, 5]), 5])
    yield Case("HistogramFixedWidth", [integers(2, 9), [-5, 5], 4], {"dtype": np.int64})
    yield Case("HistogramFixedWidth", [values, np.float32([5, 5]), 5], raises="InvalidArgumentError")
    yield Case("HistogramFixedWidth", [values, np.float32([0, 5]), 0], raises="InvalidArgumentError")
    yield Case("Bucketize", [floats(2, 3)], {"boundaries": [-1.0, 0.5, 1.5]})
    yield Case("Bucketize", [np.int64([1, 2, 30, 20])], {"boundaries": [2.0, 20.0]})
    yield Case("Cross", [floats(2, 3), floats(2, 3)], grad=True)
    yield Case("Cross", [integers(3), integers(3)])
    yield Case("Cross", [floats(2), floats(2)], raises="FailedPreconditionError")


CASES = [*_segment_cases(), *_counting_cases()]
