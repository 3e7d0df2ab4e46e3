"""The `penstock` command itself, and its short commands."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import penstock_command
from penstock import cli
from penstock.cli import info, names, ops
from tests.cli.commands import ROOT


def test_help_lists_every_command(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {command} " in printed for command in cli.COMMANDS)


def test_an_unknown_command_is_refused(capsys):
    assert cli.main(["fly"]) == 2
    assert "no command 'fly'" in capsys.readouterr().err


def test_info_prints_versions_devices_and_kernels(capsys):
    assert cli.main(["info"]) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["numpy"] == np.__version__
    assert "cpu" in facts["devices"]
    assert facts["native"].startswith(("kernels   oneDNN", "kernels   none: XLA's own kernels"))


def test_info_says_where_compiled_programs_are(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path))
    (tmp_path / "program").write_bytes(b"x" * 500_000)
    assert dict(info.facts())["cache folder"] == f"{tmp_path} (1 files, 0.5 MB)"


def test_a_reader_that_has_enough_is_no_error():
    command = [sys.executable, "-m", "penstock", "ops"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_ops_lists_what_each_op_has(capsys):
    assert cli.main(["ops", "identity", "--signatures"]) == 0
    heading, row, signature, count = capsys.readouterr().out.splitlines()
    assert heading.split() == ["op", *ops.COLUMNS]
    assert row.split()[:5] == ["Identity", "yes", "yes", "rule", "rule"]
    assert signature.strip() == "(input: T) -> (output: T)"
    assert count == "1 ops"


def test_ops_can_list_what_lacks_something(capsys):
    assert cli.main(["ops", "--without", "numpy"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert rows and all(row[1] == "-" for row in rows)


def test_ops_says_which_ops_were_compared_with_tensorflow(monkeypatch, tmp_path, capsys):
    (tmp_path / "compared_with_tensorflow.txt").write_text("# op agreeing all\nIdentity 3 4\n")
    monkeypatch.setattr(ops, "__file__", str(tmp_path / "ops.py"))
    ops.compared_with_tensorflow.cache_clear()
    assert cli.main(["ops", "Identity"]) == 0
    ops.compared_with_tensorflow.cache_clear()
    assert capsys.readouterr().out.splitlines()[1].endswith("3 of 4")


@pytest.fixture
def names_file(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("class\ttf.Tensor\nfunc\ttf.no_such_function\nfunc\ttf.nowhere.at.all\n")
    return str(path)


def test_names_counts_what_resolves(capsys, names_file):
    assert cli.main(["names", names_file]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["tf", "1", "of", "2"] in lines
    assert ["all", "1", "of", "3", "(33.3%)"] in lines


def test_names_without_a_file_are_all_public_names(capsys):
    assert cli.main(["names"]) == 0
    found = capsys.readouterr().out.split()
    assert {"tf.math.add", "tf.compat.v1.placeholder", "tf.Tensor"} <= set(found)
    assert all(each.startswith("tf.") for each in found)
    with pytest.raises(SystemExit):
        cli.main(["names", "--missing"])


def test_names_lists_what_is_missing(capsys, names_file):
    assert cli.main(["names", "--missing", "--all", names_file]) == 1
    assert capsys.readouterr().out.split() == ["no_such_function", "nowhere.at.all"]


def test_names_are_read_with_or_without_their_kind():
    assert names.read_names("# all\n\nfunc\ttf.a.b\ntf.c\n") == ["a.b", "c"]


@pytest.mark.parametrize(
    ("mode", "platform", "tunables", "expected"),
    [
        ("always [madvise] never", "linux", None, True),
        ("[always] madvise never", "linux", None, False),
        ("always madvise [never]", "linux", None, False),
        ("always [madvise] never", "linux", "glibc.malloc.hugetlb=0", False),
        ("always [madvise] never", "darwin", None, False),
        (None, "linux", None, False),
    ],
)
def test_huge_pages_are_asked_for_where_that_changes_something(
    monkeypatch, tmp_path, mode, platform, tunables, expected
):
    file = tmp_path / "enabled"
    if mode is not None:
        file.write_text(mode)
    monkeypatch.setattr(penstock_command, "HUGE_PAGE_MODE", str(file))
    monkeypatch.setattr(penstock_command.sys, "platform", platform)
    monkeypatch.setattr(penstock_command.os, "confstr", lambda name: "glibc 2.36", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if tunables is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    assert penstock_command.can_ask_for_huge_pages() is expected
