"""What `tf.print`, `tf.strings.format` and `tf.compat.v1.Print` write; the texts are TensorFlow's."""

from __future__ import annotations

import collections
import sys

import numpy as np
import pytest

import penstock as tf

f32 = np.float32
TEXTS = [
    (np.array([[1, 2.5], [0.1, 1e10]], f32), "[[1 2.5]\n [0.1 1e+10]]"),
    (np.array([0.1, 1 / 3, 3.14159274], f32), "[0.1 0.333333343 3.14159274]"),
    (np.array([1e-8, 123456.7, -0.0, np.nan, np.inf, 1e7], f32), "[1e-08 123456.703 -0 nan inf 1e+07]"),
    (np.array([0.1, 1 / 3, 123456789.123]), "[0.1 0.33333333333333331 123456789.123]"),
    (np.array([0.1], np.float16), "[0.0999755859]"),
    (np.array(True), "1"),
    (np.array([True, False]), "[1 0]"),
    (np.arange(6), "[0 1 2 3 4 5]"),
    (np.arange(7), "[0 1 2 ... 4 5 6]"),
    (np.arange(8).reshape(2, 2, 2), "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]"),
    (np.zeros([0]), "[]"),
    (np.array(b"a\n'\xc3\xa9", object), '"a\\n\\\'é"'),
    (np.array(["a", "b"]), '["a" "b"]'),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=range(len(TEXTS)))
def test_text_of_a_tensor(value, text):
    assert tf.strings.format("{}", (tf.constant(value),)).numpy().decode() == text


def test_summarize():
    table = tf.reshape(tf.range(100), [10, 10])
    text = "[[0 1 ... 8 9]\n [10 11 ... 18 19]\n ...\n [80 81 ... 88 89]\n [90 91 ... 98 99]]"
    assert tf.strings.format("{}", (table,), summarize=2).numpy().decode() == text
    assert tf.strings.format("{}", (tf.range(7),), summarize=-1).numpy() == b"[0 1 2 3 4 5 6]"


def test_placeholders():
    assert tf.strings.format("%, %!", (1, "s"), placeholder="%").numpy() == b'1, "s"!'
    assert tf.strings.format("none", []).numpy() == b"none"
    with pytest.raises(ValueError, match="expects 2 tensors, but the inputs only has 1"):
        tf.strings.format("{} {}", (1,))


Point = collections.namedtuple("Point", "a b")
LINES = [
    (("hi", tf.constant("hi"), 1, 2.5, None), 'hi "hi" 1 2.5 None'),
    (([1, tf.constant([1, 2])], (1, "a")), "[1, [1 2]] (1, 'a')"),
    (({"b": tf.constant([1, 2]), "a": 2},), "{'a': 2, 'b': [1 2]}"),
    ((collections.OrderedDict(z=tf.constant(1), a=tf.constant(2)),), "OrderedDict([('z', 1), ('a', 2)])"),
    ((Point(1, tf.constant(2)),), "Point(a=1, b=2)"),
    (
        (np.arange(3), tf.TensorShape([1, None]), tf.float32),
        "array([0, 1, 2]) TensorShape([1, None]) tf.float32",
    ),
    (("{}", tf.constant(1)), "{} 1"),
    ((tf.Variable([1.0, 2.0]),), "[1 2]"),
    ((), ""),
]


@pytest.mark.parametrize(("inputs", "line"), LINES, ids=range(len(LINES)))
def test_print(inputs, line, capsys):
    assert tf.print(*inputs, output_stream=sys.stdout) is None
    assert capsys.readouterr().out == line + "\n"


def test_print_writes_to_stderr_by_default(capsys):
    tf.print("a", "b", sep="-", end="!")
    assert capsys.readouterr().err == "a-b!"


def test_print_appends_to_files(tmp_path):
    for number in range(2):
        tf.print("line", number, output_stream=f"file://{tmp_path}/log")
    assert (tmp_path / "log").read_text() == "line 0\nline 1\n"


def test_print_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        tf.print("a", foo=1)
    with pytest.raises(ValueError, match="Unsupported output stream"):
        tf.print("a", output_stream="bad")


def test_print_in_a_function_runs_in_program_order(capsys):
    v = tf.Variable(1.0)

    @tf.function
    def f(x):
        tf.print("before", v, output_stream=sys.stdout)
        v.assign_add(x)
        tf.print("after", v, {"x": x}, output_stream=sys.stdout)

    f(tf.constant(2.0))
    f(tf.constant(3.0))
    assert capsys.readouterr().out == "before 1\nafter 3 {'x': 2}\nbefore 3\nafter 6 {'x': 3}\n"


def test_print_in_a_loop(capsys):
    @tf.function
    def f(n):
        for i in tf.range(n):
            tf.print(i, output_stream=sys.stdout)

    f(3)
    assert capsys.readouterr().out == "0\n1\n2\n"


def test_print_in_a_session(capsys):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.int32)
        printed = tf.print("x =", x, output_stream=sys.stdout)
        with tf.control_dependencies([printed]):
            y = tf.identity(x)
        with tf.compat.v1.Session() as session:
            assert session.run(y, {x: 5}) == 5
    assert capsys.readouterr().out == "x = 5\n"


def test_tf1_print(capsys):
    assert tf.compat.v1.Print(tf.constant(1), [tf.range(5), "x"], "m ").numpy() == 1
    table = tf.constant([[1.0, 2.0], [3.0, 4.5]])
    tf.compat.v1.Print(tf.constant(1), [table], summarize=3)
    assert capsys.readouterr().err == "m [0 1 2...][x]\n[[1 2][3...]...]\n"


def test_tf1_print_only_the_first_times_and_passes_gradients(capsys):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32)
        y = tf.compat.v1.Print(x, [x], first_n=2) * 3.0
        (gradient,) = tf.gradients(y, [x])
        with tf.compat.v1.Session() as session:
            assert [session.run([y, gradient], {x: 1.0}) for _ in range(3)] == [[3.0, 3.0]] * 3
    assert capsys.readouterr().err == "[1]\n[1]\n"


RAGGED = [
    ([[1, 2], [3]], "[[1, 2], [3]]"),
    ([["a", "b'c\\"], []], "[['a', 'b\\'c\\\\'], []]"),
    ([[1.5], [0.1]], "[[1.500000], [0.100000]]"),
    ([list(range(10)), [1]], "[[0, 1, 2, ..., 7, 8, 9], [1]]"),
    ([[[1, 2], [3]], [], [[4]]], "[[[1, 2], [3]], [], [[4]]]"),
]


@pytest.mark.parametrize(("rows", "text"), RAGGED, ids=range(len(RAGGED)))
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_ragged_tensors(wrap, rows, text, capsys):
    value = tf.ragged.constant(rows)
    wrap(lambda: tf.print("x", value, {"k": value}, tf.constant([1]), output_stream=sys.stdout))()
    assert capsys.readouterr().out == f"x {text} {{'k': {text}}} [1]\n"
    assert tf.strings.format("{}={}", (1, value)).numpy().decode() == f"1={text}"
