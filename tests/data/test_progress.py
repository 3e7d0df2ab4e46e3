import io
import sys

import pytest

import penstock as tf
from penstock.data import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


WRITERS = {
    "caching": lambda dataset, place: list(dataset.cache(f"{place}/kept")),
    "snapshot": lambda dataset, place: list(dataset.snapshot(f"{place}/kept")),
    "saving": lambda dataset, place: dataset.save(f"{place}/kept"),
}


@pytest.mark.parametrize("what", WRITERS)
def test_long_work_shows_on_a_terminal_how_far_it_is(tmp_path, monkeypatch, what):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    WRITERS[what](tf.data.Dataset.range(64), tmp_path)
    assert what in terminal.getvalue() and "/64" in terminal.getvalue()


def test_nothing_is_shown_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    WRITERS["saving"](tf.data.Dataset.range(64), tmp_path)
    assert capsys.readouterr() == ("", "")
