"""Cases of `ops.linalg.matmul` and `ops.linalg.einsum`."""

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, floats, integers


def einsum(equation, *shapes, make=floats, **options):
    """An einsum of random operands."""
    return Case("Einsum", [[make(*shape) for shape in shapes]], {"equation": equation}, grad=True, **options)


CASES = [
    Case("MatMul", [floats(2, 3), floats(3, 4)], grad=True),
    Case("MatMul", [floats(3, 2), floats(3, 4)], {"transpose_a": True}, grad=True),
    Case("MatMul", [floats(2, 3), floats(4, 3)], {"transpose_b": True}, grad=True),
    Case("MatMul", [floats(3, 2), floats(4, 3)], {"transpose_a": True, "transpose_b": True}, grad=True),
    Case("MatMul", [complexes(2, 3), complexes(4, 3)], {"transpose_b": True}, grad=True),
    Case("MatMul", [floats(2, 0), floats(0, 3)]),
    Case("MatMul", [floats(2, 3, dtype=np.float16), floats(3, 2, dtype=np.float16)]),
    Case("MatMul", [floats(2, 3, dtype=ml_dtypes.bfloat16), floats(3, 2, dtype=ml_dtypes.bfloat16)]),
    Case("MatMul", [integers(2, 3), integers(3, 2)]),
    Case("MatMul", [floats(2, 3), floats(2, 3)], raises="InvalidArgumentError"),
    Case("MatMul", [floats(2, 3), floats(3)], raises="InvalidArgumentError"),
    Case("MatMul", [floats(2, 3), integers(3, 2)], raises="InvalidArgumentError"),
    Case("MatMul", [booleans(2, 3), booleans(3, 2)], raises="InvalidArgumentError"),
    Case("SparseMatMul", [floats(2, 3), floats(3, 2)], grad=True, single=True),
    Case(
        "SparseMatMul",
        [floats(3, 2), floats(4, 3)],
        {"transpose_a": True, "transpose_b": True},
        grad=True,
        single=True,
    ),
    Case("SparseMatMul", [floats(2, 3), floats(4, 3)], {"transpose_b": True, "a_is_sparse": True}),
    Case("BatchMatMul", [floats(2, 2, 3), floats(2, 3, 2)], grad=True),
    Case("BatchMatMulV2", [floats(2, 2, 3), floats(2, 3, 4)], grad=True),
    Case("BatchMatMulV2", [floats(5, 1, 2, 3), floats(4, 3, 2)], grad=True),
    Case("BatchMatMulV2", [floats(2, 3, 2), floats(3, 4)], {"adj_x": True}, grad=True),
    Case("BatchMatMulV2", [complexes(3, 2), complexes(2, 4, 3)], {"adj_x": True, "adj_y": True}, grad=True),
    Case("BatchMatMulV2", [complexes(2, 2, 3), complexes(4, 3)], {"adj_y": True}, grad=True),
    Case("BatchMatMulV2", [floats(2, 4, 2, 3), floats(3, 5)], grad=True),
    Case("BatchMatMulV2", [complexes(2, 4, 3), complexes(3, 5)], grad=True),
    Case("BatchMatMulV2", [complexes(2, 4, 3), complexes(5, 3)], {"adj_y": True}, grad=True),
    Case("BatchMatMulV2", [floats(2, 0, 3), floats(3, 5)], grad=True),
    Case("BatchMatMulV2", [floats(2, 2, 3), floats(3, 3, 2)], raises="InvalidArgumentError"),
    Case("BatchMatMulV2", [floats(2, 2, 3), floats(2, 2, 3)], raises="InvalidArgumentError"),
    Case("BatchMatMulV3", [integers(2, 3, dtype=np.int8), integers(3, 2, dtype=np.int8)], {"Tout": np.int32}),
    Case(
        "BatchMatMulV3",
        [integers(2, 3, dtype=np.int8), integers(4, 3, 2, dtype=np.uint8, low=0)],
        {"Tout": np.int32},
    ),
    Case(
        "BatchMatMulV3",
        [floats(2, 3), floats(3, 2)],
        {"Tout": np.float64, "adj_x": False},
        grad=True,
        rtol=1e-5,
    ),
    einsum("ij,jk->ik", (2, 3), (3, 4)),
    einsum("ij->ji", (2, 3)),
    einsum("ij->", (2, 3)),
    einsum("ij->i", (2, 3)),
    einsum("ii->", (3, 3)),
    einsum("ii->i", (3, 3)),
    einsum("iij->ji", (3, 3, 2)),
    einsum("i->ii", (3,)),
    einsum("ij->iji", (2, 3)),
    einsum("i,j->ij", (2,), (3,)),
    einsum("i,i->i", (3,), (3,)),
    einsum("i,i->", (3,), (3,)),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    einsum("bhqd,bkhd->bhqk", (2, 3, 4, 2), (2, 5, 3, 2)),
    einsum("abc,cd->bd", (2, 3, 4), (4, 5)),
    einsum("abc,d->b", (2, 3, 4), (5,)),
    einsum("...ij,jk->...ik", (2, 3, 4), (4, 2)),
    einsum("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)),
    einsum("i...,...->i...", (2, 1, 3), (4, 3)),
    einsum("...i->...", (2, 3)),
    einsum("i...->...", (2, 3)),
    einsum("ab,bc,cd->ad", (2, 3), (3, 4), (4, 2)),
    einsum("i,i,i->i", (2,), (2,), (2,)),
    einsum("ij,jk->ik", (2, 3), (3, 4), make=complexes),
    einsum("ij,ij->", (2, 3), (2, 3), make=complexes),
    Case("Einsum", [[integers(2, 3), integers(3, 2)]], {"equation": "ij,jk->ik"}),
    Case(
        "Einsum",
        [[floats(2, 3, dtype=np.float16), floats(3, 2, dtype=np.float16)]],
        {"equation": "ij,jk->ik"},
    ),
    Case("Einsum", [[floats(2, 3), floats(4, 2)]], {"equation": "ij,jk->ik"}, raises="InvalidArgumentError"),
    Case("Einsum", [[floats(2, 3)]], {"equation": "ijk->i"}, raises="InvalidArgumentError"),
    Case("Einsum", [[floats(2, 3)]], {"equation": "...->"}, raises="InvalidArgumentError"),
]
