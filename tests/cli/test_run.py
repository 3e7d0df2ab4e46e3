"""`penstock run` does what `python` does, except for what `tensorflow` means."""

from __future__ import annotations

import zipfile

import pytest

from penstock.cli.run import Program, split_arguments
from tests.cli.commands import penstock, python

SAY_WHERE_WE_ARE = """
import sys
print(__name__, sys.argv, sys.path[0], __spec__ if __spec__ is None else __spec__.name)
print(globals().get("__file__"), sorted(name for name in globals() if name[:2] != "__"))
print(sys.modules["__main__"].__dict__ is globals())
"""

FAILING = """
import json
def inner():
    raise KeyError("no such thing")
def outer():
    try:
        inner()
    except KeyError as error:
        raise ValueError("outer") from error
outer()
"""

PROGRAMS = {
    "says where it is": SAY_WHERE_WE_ARE,
    "raises": FAILING,
    "raises in a library": "import json\njson.loads('{')\n",
    "has a syntax error": "x = 1\nif x\n    pass\n",
    "exits with a status": "import sys\nsys.exit(3)\n",
    "exits with a message": "import sys\nsys.exit('that was wrong')\n",
    "exits without a status": "import sys\nsys.exit()\n",
    "is interrupted": "raise KeyboardInterrupt\n",
    "has exit handlers": "import atexit, sys\nx = 1\natexit.register(lambda: print(sys.modules['__main__'].x))\n",
    "pickles its own classes": "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__module__)\n",
    "shows its own source": "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))\n",
    "is latin-1": "# -*- coding: latin-1 -*-\nprint(ascii('\u00e9'))\n",
}


def same_outcome(*arguments, folder):
    expected = python(*arguments, folder=folder)
    got = penstock("run", *arguments, folder=folder)
    assert got.stdout == expected.stdout
    assert got.stderr == expected.stderr
    assert got.returncode == expected.returncode


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_runs_as_under_python(tmp_path, name):
    encoding = "latin-1" if "latin-1" in name else "utf-8"
    (tmp_path / "program.py").write_text(PROGRAMS[name], encoding)
    same_outcome("program.py", "--api", "-x", "1", folder=tmp_path)


def test_a_file_in_another_folder_imports_its_neighbours(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "neighbour.py").write_text("x = 7\n")
    (tmp_path / "inner" / "program.py").write_text("import neighbour\nprint(neighbour.x, __file__)\n")
    same_outcome("inner/program.py", folder=tmp_path)


@pytest.mark.parametrize("name", ["says where it is", "exits with a status"])
def test_a_folder_runs_as_under_python(tmp_path, name):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(PROGRAMS[name])
    same_outcome("program", "x", folder=tmp_path)


def test_a_zip_file_runs_as_under_python(tmp_path):
    with zipfile.ZipFile(tmp_path / "program.pyz", "w") as archive:
        archive.writestr(
            "__main__.py", "import sys, part\nprint(__name__, __file__, sys.argv, sys.path[0], part.x)\n"
        )
        archive.writestr("part.py", "x = 7\n")
    same_outcome("program.pyz", "x", folder=tmp_path)


def test_a_folder_without_main_is_refused(tmp_path):
    (tmp_path / "program").mkdir()
    result = penstock("run", "program", folder=tmp_path)
    assert result.returncode == python("program", folder=tmp_path).returncode == 1
    assert "can't find '__main__' module" in result.stderr


@pytest.mark.parametrize("name", ["says where it is", "raises", "exits with a status"])
def test_code_runs_as_under_python(tmp_path, name):
    same_outcome("-c", PROGRAMS[name], "--api", "-m", folder=tmp_path)


@pytest.mark.parametrize("module", ["package", "package.program", "single", "package.absent", "absent"])
def test_a_module_runs_as_under_python(tmp_path, module):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("y = 2\n")
    for file in (package / "__main__.py", package / "program.py", tmp_path / "single.py"):
        file.write_text("import sys\nprint(__name__, sys.argv, sys.path[0], __package__)\n")
    expected = python("-m", module, "--api", "v7", folder=tmp_path)
    got = penstock("run", "-m", module, "--api", "v7", folder=tmp_path)
    assert (got.stdout, got.returncode) == (expected.stdout, expected.returncode)


def test_a_missing_file_is_named(tmp_path):
    result = penstock("run", "absent.py", folder=tmp_path)
    assert result.returncode == python("absent.py", folder=tmp_path).returncode == 2
    assert "absent.py" in result.stderr and "Traceback" not in result.stderr


def test_nothing_to_run_is_an_error(tmp_path):
    result = penstock("run", "--api", "v1", folder=tmp_path)
    assert result.returncode == 2
    assert "expected FILE, -m MODULE or -c CODE" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "own", "program"),
    [
        (["a.py"], [], Program("file", "a.py")),
        (["a.py", "-m", "b"], [], Program("file", "a.py", ("-m", "b"))),
        (["--api", "v1", "-m", "a.b", "c"], ["--api", "v1"], Program("module", "a.b", ("c",))),
        (["--api=v1", "-mb", "c"], ["--api=v1"], Program("module", "b", ("c",))),
        (["-c", "x = 1", "-c"], [], Program("code", "x = 1", ("-c",))),
        (["--help", "a.py"], ["--help"], Program("file", "a.py")),
        (["-m"], [], None),
        ([], [], None),
    ],
)
def test_what_follows_the_program_is_the_programs(arguments, own, program):
    assert split_arguments(arguments) == (own, program)


def test_tensorflow_is_penstock(tmp_path):
    code = "import os, tensorflow as tf, penstock; print(tf is penstock, tf.__version__, os.environ['KERAS_BACKEND'])"
    result = penstock("run", "-c", code, folder=tmp_path)
    assert result.stdout == "True 2.21.0 tensorflow\n", result.stderr


def test_another_keras_backend_is_kept(tmp_path):
    result = penstock(
        "run", "-c", "import os; print(os.environ['KERAS_BACKEND'])", folder=tmp_path, KERAS_BACKEND="jax"
    )
    assert result.stdout == "jax\n"


WHAT_TENSORFLOW_MEANS = "import tensorflow as tf\nprint(tf.executing_eagerly(), tf.compat.v1 is tf)\n"


@pytest.mark.parametrize(
    ("options", "mention", "expected"),
    [
        ([], "", "True False\n"),
        ([], "lambda: tf.placeholder", "False True\n"),
        (["--api", "v2"], "lambda: tf.placeholder", "True False\n"),
        (["--api", "v1"], "", "False True\n"),
    ],
)
def test_the_programs_era_decides_what_tensorflow_means(tmp_path, options, mention, expected):
    (tmp_path / "program.py").write_text(WHAT_TENSORFLOW_MEANS + mention)
    result = penstock("run", *options, "program.py", folder=tmp_path)
    assert result.stdout == expected, result.stderr


def test_the_reason_for_v1_is_reported(tmp_path):
    (tmp_path / "program.py").write_text("import tensorflow as tf\n\nif False:\n    tf.Session()\n")
    result = penstock("run", "program.py", folder=tmp_path)
    assert result.stderr == "penstock: tf.Session (program.py:4) is TensorFlow 1: running with --api v1\n"


def test_processes_that_the_program_starts_have_it_too(tmp_path):
    (tmp_path / "program.py").write_text(
        "import multiprocessing, subprocess, sys\n"
        "import tensorflow as tf\n"
        "def work(queue):\n"
        "    queue.put(tf.__name__)\n"
        "if __name__ == '__main__':\n"
        "    spawn = multiprocessing.get_context('spawn')\n"
        "    queue = spawn.Queue()\n"
        "    process = spawn.Process(target=work, args=(queue,))\n"
        "    process.start()\n"
        "    print(queue.get(timeout=120))\n"
        "    process.join()\n"
        "    code = 'import tensorflow, sys; print(tensorflow.__name__)'\n"
        "    print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout)\n"
    )
    result = penstock("run", "program.py", folder=tmp_path)
    assert result.stdout.split() == ["penstock", "penstock"], result.stderr
