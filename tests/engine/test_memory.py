"""Freed blocks are kept where the user has not chosen otherwise."""

import subprocess
import sys

import pytest

from penstock.engine import memory

PROGRAM = """
import resource, threading, numpy as np
from penstock.engine.memory import keep_freed_memory, share_one_heap
print(share_one_heap() and keep_freed_memory())
np.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5_000)

def make_blocks():
    global first
    np.ones(20_000_000)
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(20_000_000)  # more than a thread's own heap can hold

thread = threading.Thread(target=make_blocks)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first < 25_000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc's settings are those of glibc")
def test_large_blocks_are_used_again(monkeypatch):
    for name in ("MALLOC_ARENA_MAX", "PENSTOCK_MALLOC", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "0")  # a page fault for each 4 kB
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    assert (
        printed.split() == ["True"] * 3
    )  # it did, and neither the main thread nor another gets fresh memory


def test_the_users_choice_stays(monkeypatch):
    monkeypatch.setenv("PENSTOCK_MALLOC", "0")
    assert not memory.keep_freed_memory()
    monkeypatch.delenv("PENSTOCK_MALLOC")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "100000")
    assert not memory.keep_freed_memory()


MOVED = """
import ctypes, numpy as np
from penstock.engine.memory import keep_freed_memory, place_of_next

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

libc = ctypes.CDLL(None)
libc.aligned_alloc.restype, libc.aligned_alloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 2
libc.free.argtypes = [ctypes.c_void_p]
libc.malloc.restype = ctypes.c_void_p
keep_freed_memory()
size, small, most, place, moves = 200 << 20, [], 0, 0, 0
start = resident()
for _ in range(6):
    found = place_of_next(size, place)
    moves += found != place
    place = found
    block = libc.aligned_alloc(64, size)
    ctypes.memset(block, 1, size)
    most = max(most, resident() - start)
    small += [libc.malloc(each) for each in range(8, 200, 8)]  # among them what was cut off
    libc.free(block)
print(most < 1.5 * size, moves > 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="about glibc's malloc")
def test_a_large_block_that_moves_leaves_no_pages_behind(monkeypatch):
    for name in ("MALLOC_ARENA_MAX", "PENSTOCK_MALLOC", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True)
    assert done.stdout.split()[:1] == ["True"], done.stderr
