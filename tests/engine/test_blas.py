"""NumPy's linear algebra stays on one thread where kernels ask for it, and only there."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import penstock as tf
from penstock.engine import blas


class Library:
    """Stands for a BLAS library: keeps the number of threads."""

    def __init__(self):
        self.threads = 4

    def get_num_threads(self):
        return self.threads

    def set_num_threads(self, count):
        self.threads = count


def test_number_of_threads_comes_back():
    library = Library()
    alone = blas._Threads(lambda: [library])
    with alone:
        with alone:
            assert library.threads == 1
        assert library.threads == 1
    assert library.threads == 4


def test_number_of_threads_comes_back_after_overlapping_threads():
    library = Library()
    alone, entered, left = blas._Threads(lambda: [library]), threading.Event(), threading.Event()

    def other():
        with alone:
            entered.set()
            left.wait()

    thread = threading.Thread(target=other)
    with alone:
        thread.start()
        entered.wait()
    assert library.threads == 1
    left.set()
    thread.join()
    assert library.threads == 4


def test_number_of_threads_comes_back_after_errors():
    library = Library()
    with pytest.raises(ValueError, match="bad"), blas._Threads(lambda: [library]):
        raise ValueError("bad")
    assert library.threads == 4


def test_numpys_library_has_one_thread_inside():
    def counts():
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    before = counts()
    assert before
    with blas.one_thread():
        assert set(counts()) == {1}
    assert counts() == before


def test_scipys_library_has_one_thread_inside():
    import scipy.linalg  # noqa: F401 (brings its library)

    with blas.one_thread():
        assert {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"} == {1}


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("rows", [64, 100, 131])
def test_large_triangular_systems_are_solved(rows, lower, adjoint):
    generator = np.random.default_rng(rows)
    a = generator.standard_normal((rows, rows)) + rows * np.eye(rows)
    b = generator.standard_normal((rows, 3))
    triangle = np.tril(a) if lower else np.triu(a)
    x = tf.linalg.triangular_solve(a, b, lower=lower, adjoint=adjoint)
    np.testing.assert_allclose((triangle.T if adjoint else triangle) @ x.numpy(), b, atol=1e-9)


def test_a_zero_on_the_diagonal_of_a_large_system_gives_infinities():
    a = np.eye(80)
    a[79, 79] = 0.0
    x = tf.linalg.triangular_solve(a, np.ones((80, 1))).numpy()
    assert np.isinf(x[79, 0]) and (x[:79] == 1.0).all()
