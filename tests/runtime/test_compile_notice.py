"""Long compilations announce themselves on a terminal, once."""

import io
import threading

import numpy as np
import pytest

from penstock.runtime import compile_notice


class Terminal(io.StringIO):
    """Tells when something was written."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def isatty(self):
        return True

    def write(self, text):
        super().write(text)
        if "..." in text:
            self.written.set()
        return len(text)


def test_a_long_first_call_is_announced(monkeypatch):
    monkeypatch.setattr(compile_notice, "PATIENCE", 0.0)
    terminal = Terminal()
    program = compile_notice.announced(lambda: terminal.written.wait(10), lambda: "train_step", terminal)
    assert program()
    assert terminal.getvalue() == "penstock: compiling train_step ...\n"
    program()
    assert terminal.getvalue().count("train_step") == 1


def test_a_short_one_is_not():
    terminal = Terminal()
    assert compile_notice.announced(lambda x: x + 1, lambda: "train_step", terminal)(1) == 2
    assert terminal.getvalue() == ""


def test_nothing_is_written_into_files(monkeypatch):
    monkeypatch.setattr(compile_notice, "PATIENCE", 0.0)
    file = io.StringIO()
    program = compile_notice.announced(lambda: None, lambda: "train_step", file)
    program()
    assert file.getvalue() == ""


def test_errors_come_out():
    with pytest.raises(ZeroDivisionError):
        compile_notice.announced(lambda: 1 / 0, lambda: "train_step", Terminal())()


def test_compiling_without_a_call_says_how_much_memory_calls_take():
    from penstock.engine.xla import jit, jnp

    calls = []

    def sort_twice(x):
        calls.append(x)
        return jnp.sort(jnp.cumsum(jnp.sort(x, 0), 1), 1)

    program = compile_notice.announced(jit(sort_twice), lambda: "sort_twice", io.StringIO())
    x = np.ones((100, 1000), np.float32)
    assert program.compile(x) >= x.nbytes
    program(x)
    assert len(calls) == 1  # traced once, so compiled once
