"""`HostMemory`: where a program's exchanges lie, and which variables may."""

from types import SimpleNamespace

import pytest

from penstock.cluster.host_memory import HostMemory
from penstock.types import dtypes
from penstock.types.shapes import TensorShape


@pytest.fixture
def memory():
    return HostMemory(SimpleNamespace(count=3, index=0), None, [])


def test_exchanges_of_a_program_do_not_overlap(memory):
    first, second, third = (memory.place(size) for size in (100, 1, 64))
    assert [each.number for each in (first, second, third)] == [0, 1, 2]
    assert first.offset + 3 * 100 <= second.offset
    assert second.offset + 3 * 1 <= third.offset


def test_every_program_begins_at_the_beginning(memory):
    before = memory.place(1000)
    memory.begin_program()
    assert memory.place(10) == before


def test_what_does_not_fit_gets_no_place(memory):
    assert memory.place(1 << 31) is None
    assert memory.place(8) is not None


def test_places_run_out(memory):
    found = [memory.place(8) for _ in range(1100)]
    assert None not in found[:1000]
    assert found[-1] is None


@pytest.mark.parametrize(
    ("shape", "dtype", "taken"),
    [
        ([1024, 1024], dtypes.float32, True),
        ([1024, 1023], dtypes.float32, False),
        ([1024, 1024], dtypes.float64, False),
        ([1024, 32, 32], dtypes.float32, False),
        ([None, 1024], dtypes.float32, False),
    ],
)
def test_large_matrices_are_shared(memory, shape, dtype, taken):
    assert memory.takes(TensorShape(shape), dtype) is taken


def test_a_matrix_that_no_program_has_in_shared_memory_has_no_address(memory):
    inside, outside = object(), object()
    memory.begin_program([inside], ["address"])
    assert memory.address_of(inside) == "address"
    assert memory.address_of(outside) is None
