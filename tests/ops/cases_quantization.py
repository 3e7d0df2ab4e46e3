"""Cases of `ops.quantization`, `ops.quantization_emulation` and `ops.fake_quantization`.

The gradients of what rounds are not derivatives: the tests beside them say what they are.
"""

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, floats

ONE, MINUS_ONE = np.float32(1), np.float32(-1)
BF16 = ml_dtypes.bfloat16
STEP_SIZE = {"atol": 1e-5}

CASES = [
    Case("QuantizeAndDequantizeV2", [floats(9), MINUS_ONE, ONE], {"range_given": True, "num_bits": 4}),
    Case(
        "QuantizeAndDequantizeV2",
        [floats(9), MINUS_ONE, ONE],
        {"signed_input": False, "narrow_range": True},
        **STEP_SIZE,
    ),
    Case(
        "QuantizeAndDequantizeV2",
        [floats(9, dtype=np.float64), np.float64(0), np.float64(0)],
        {"num_bits": 5},
    ),
    Case(
        "QuantizeAndDequantizeV2",
        [floats(9), ONE, MINUS_ONE],
        {"range_given": True},
        raises="InvalidArgumentError",
    ),
    Case(
        "QuantizeAndDequantizeV2", [floats(9), ONE, ONE], {"round_mode": "UP"}, raises="InvalidArgumentError"
    ),
    Case("QuantizeAndDequantizeV3", [floats(9), MINUS_ONE, ONE, 4]),
    Case(
        "QuantizeAndDequantizeV4",
        [floats(2, 5), MINUS_ONE, ONE],
        {"range_given": True, "round_mode": "HALF_UP"},
    ),
    Case("QuantizeAndDequantizeV4", [floats(2, 5), floats(2), floats(2)], {"axis": 0, "num_bits": 3}),
    Case(
        "QuantizeAndDequantizeV4",
        [floats(5, dtype=BF16), floats(dtype=BF16), floats(dtype=BF16)],
        {"num_bits": 4},
    ),
    Case("QuantizeAndDequantizeV4Grad", [floats(6), floats(6), MINUS_ONE, ONE], grad=[0]),
    Case(
        "QuantizeAndDequantizeV4Grad",
        [floats(2, 3), floats(2, 3), np.float32([-1, -1]), np.float32([1, 0])],
        {"axis": 0},
    ),
    Case("FakeQuantWithMinMaxArgs", [floats(9)], {"min": -1.0, "max": 1.3, "num_bits": 4}),
    Case(
        "FakeQuantWithMinMaxArgs", [floats(9)], {"min": 0.1, "max": 1.3, "num_bits": 3, "narrow_range": True}
    ),
    Case("FakeQuantWithMinMaxArgs", [floats(9)], {"min": 1.0, "max": 1.0}, raises="InvalidArgumentError"),
    Case("FakeQuantWithMinMaxArgs", [floats(9)], {"num_bits": 1}, raises="InvalidArgumentError"),
    Case("FakeQuantWithMinMaxArgsGradient", [floats(9), floats(9)], {"min": -1.0, "max": 1.0}),
    Case("FakeQuantWithMinMaxVars", [floats(9), MINUS_ONE, np.float32(1.3)], {"num_bits": 4}),
    Case("FakeQuantWithMinMaxVars", [floats(9), np.float32(0), np.float32(0)]),
    Case(
        "FakeQuantWithMinMaxVarsGradient", [floats(9), floats(9), MINUS_ONE, np.float32(1.3)], {"num_bits": 4}
    ),
    Case("FakeQuantWithMinMaxVarsPerChannel", [floats(4, 3), np.float32([-1, -2, 0]), np.float32([1, 1, 0])]),
    Case("FakeQuantWithMinMaxVarsPerChannel", [floats(4), ONE, ONE], raises="InvalidArgumentError"),
    Case(
        "FakeQuantWithMinMaxVarsPerChannelGradient",
        [floats(4, 3), floats(4, 3), np.float32([-1, -2, 0]), np.float32([1, 1, 0])],
    ),
]
