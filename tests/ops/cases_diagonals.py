"""Cases of `ops.linalg.diagonals`, `ops.linalg.band_part` and `ops.linalg.tensor_diagonals`."""

import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, floats, integers, strings

ZERO = np.float32(0)

CASES = [
    Case("MatrixDiagV3", [floats(3), 0, -1, -1, ZERO], grad=[0]),
    Case("MatrixDiagV3", [floats(2, 3), 1, -1, -1, np.float32(9)], grad=[0]),
    Case("MatrixDiagV3", [floats(3), -2, 5, 4, ZERO], grad=[0]),
    Case("MatrixDiagV3", [floats(2, 3, 3), [-1, 1], -1, -1, ZERO], grad=[0]),
    *(
        Case("MatrixDiagV3", [integers(3, 3), [-1, 1], 3, 4, 7], {"align": align})
        for align in ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")
    ),
    Case("MatrixDiagV3", [booleans(2), 0, -1, -1, False]),
    Case("MatrixDiagV3", [floats(3), 0, 2, -1, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagV3", [floats(3), -1, 5, 4, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagV3", [floats(3), [0, 1], -1, -1, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagV3", [floats(3), [1, 0], -1, -1, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagV2", [floats(3, 3), [-1, 1], -1, -1, ZERO], grad=[0]),
    Case("MatrixDiag", [floats(2, 3)], grad=[0]),
    Case("MatrixDiag", [complexes(2)], grad=[0]),
    Case("MatrixDiagPartV3", [floats(3, 4), 0, ZERO], grad=[0]),
    Case("MatrixDiagPartV3", [floats(2, 4, 3), -2, ZERO], grad=[0]),
    Case("MatrixDiagPartV3", [floats(2, 3, 4), [-1, 2], ZERO], grad=[0]),
    *(
        Case("MatrixDiagPartV3", [integers(3, 4), [-2, 3], 7], {"align": align})
        for align in ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")
    ),
    Case("MatrixDiagPartV3", [strings(["a", "b"], ["c", "d"]), 1, strings("z").reshape(())]),
    Case("MatrixDiagPartV3", [floats(3, 4), 5, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagPartV3", [floats(3), 0, ZERO], raises="InvalidArgumentError"),
    Case("MatrixDiagPartV2", [floats(3, 4), [-1, 1], ZERO], grad=[0]),
    Case("MatrixDiagPart", [floats(2, 3, 4)], grad=[0]),
    Case("MatrixSetDiagV3", [floats(3, 4), floats(3), 0], grad=[0, 1]),
    Case("MatrixSetDiagV3", [floats(2, 3, 4), floats(2, 2, 3), [0, 1]], grad=[0, 1]),
    Case("MatrixSetDiagV3", [floats(4, 3), floats(3, 3), [-2, 0]], {"align": "LEFT_RIGHT"}, grad=[0, 1]),
    Case("MatrixSetDiagV3", [floats(3, 4), floats(2), 0], raises="InvalidArgumentError"),
    Case("MatrixSetDiagV2", [floats(3, 3), floats(3, 3), [-1, 1]], grad=[0, 1]),
    Case("MatrixSetDiag", [floats(2, 3, 3), floats(2, 3)], grad=[0, 1]),
    Case("MatrixBandPart", [floats(3, 4), 1, 0], grad=[0]),
    Case("MatrixBandPart", [floats(2, 3, 4), np.int64(-1), np.int64(1)], grad=[0]),
    Case("MatrixBandPart", [np.float32([[np.inf, np.inf], [np.nan, 1]]), 0, 0]),
    Case("MatrixBandPart", [floats(3, 4), 5, 0], raises="InvalidArgumentError"),
    Case("MatrixBandPart", [floats(3), 0, 0], raises="InvalidArgumentError"),
    Case("Diag", [floats(3)], grad=[0]),
    Case("Diag", [floats(2, 3)], grad=[0]),
    Case("DiagPart", [floats(3, 3)], grad=[0]),
    Case("DiagPart", [floats(2, 3, 2, 3)], grad=[0]),
    Case("DiagPart", [floats(2, 3)], raises="InvalidArgumentError"),
    Case("DiagPart", [floats(2, 2, 2)], raises="InvalidArgumentError"),
]
