"""Logging, flags, the main function and files beside the code, as TF 1 programs use them."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture
def log(caplog):
    logger = tf.get_logger()
    outer = logger.level
    logger.setLevel(logging.INFO)
    logger.propagate = True
    yield caplog
    logger.setLevel(outer)


@pytest.mark.parametrize("level", ["info", "warn", "warning", "error", "fatal"])
def test_a_message_is_formatted(log, level):
    getattr(v1.logging, level)("step %d", 3)
    assert log.messages == ["step 3"]


def test_a_message_names_the_line_of_the_program(log):
    v1.logging.info("here")
    assert log.records[0].filename == "test_platform.py"


def test_messages_below_the_level_are_dropped(log):
    v1.logging.set_verbosity(v1.logging.ERROR)
    v1.logging.info("no")
    v1.logging.log_if(v1.logging.ERROR, "yes", True)
    v1.logging.log_if(v1.logging.ERROR, "no", False)
    assert log.messages == ["yes"]
    assert v1.logging.get_verbosity() == logging.ERROR


def test_some_of_many_messages(log):
    for number in range(5):
        v1.logging.log_every_n(v1.logging.INFO, "every %d", 2, number)
    for number in range(5):
        v1.logging.log_first_n(v1.logging.INFO, "first %d", 2, number)
    assert log.messages == ["every 0", "every 2", "every 4", "first 0", "first 1"]


_PROGRAM = """
import penstock.platform.flags, penstock as tf
tf = tf.compat.v1
tf.app.flags.DEFINE_integer("steps", 3, "how many")
tf.flags.DEFINE_string(flag_name="name", default_value="x", docstring="which")
FLAGS = tf.flags.FLAGS
{0}
"""


def run(rest, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(rest), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


def test_flags_are_read_when_they_are_asked_for():
    assert run("print(FLAGS.steps, FLAGS.name)", "--steps=5") == (0, ["5", "x"])


def test_app_run_gives_main_what_is_no_flag():
    code = "def main(argv): print(FLAGS.steps, argv[1:]); return 7\ntf.app.run()"
    assert run(code, "--steps=5", "rest", "--unknown=1") == (7, ["5", "['rest',", "'--unknown=1']"])


def test_flags_of_absl_are_there():
    assert v1.flags.DEFINE_enum is not None and v1.flags.Error is not None


def test_files_beside_the_code():
    assert v1.resource_loader.get_path_to_datafile("test_platform.py") == __file__
    assert b"Files beside" not in v1.resource_loader.load_resource("test_platform.py")[:40]


def test_a_file_that_is_not_there():
    with pytest.raises(tf.errors.NotFoundError):
        v1.resource_loader.load_resource("nothing")


def test_my_fact():
    assert v1.user_ops.my_fact() == b"0! == 1"
