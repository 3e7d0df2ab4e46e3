"""`tf.io.decode_csv`: quotes, defaults, selection, errors; the results are TensorFlow's."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.io.csv_records import CsvColumn, CsvFormat, parse_csv, split_line

decode = tf.io.decode_csv
E = tf.errors.InvalidArgumentError
FOUR = [[0], [0.0], [0], [""]]
I64 = tf.constant([0], tf.int64)
REQUIRED = tf.constant([], tf.int32)


def plain(columns):
    return [column.numpy().tolist() if column.shape.rank else column.numpy().item() if column.dtype is not tf.string
            else column.numpy() for column in columns]  # fmt: skip


@pytest.mark.parametrize(
    "line, defaults, options, expected",
    [
        ("1,2.5,3,word", FOUR, {}, [1, 2.5, 3, b"word"]),
        (["1,2.5,3,word", "4,5,6,x"], FOUR, {}, [[1, 4], [2.5, 5.0], [3, 6], [b"word", b"x"]]),
        ([["1,a"]], [[0], [""]], {}, [[[1]], [[b"a"]]]),
        (",,,", FOUR, {}, [0, 0.0, 0, b""]),
        (",,,", [[7], [0.5], [9], ["d"]], {}, [7, 0.5, 9, b"d"]),
        ("1,", [0, 5], {}, [1, 5]),
        (" 1 , 2.5 ,+3, word ", FOUR, {}, [1, 2.5, 3, b" word "]),
        ("3000000000", [I64], {}, [3000000000]),
        ("1,inf,3,w", FOUR, {}, [1, float("inf"), 3, b"w"]),
        ("1,1e400,3,w", FOUR, {}, [1, float("inf"), 3, b"w"]),
        ("1,0x10,3,w", FOUR, {}, [1, 16.0, 3, b"w"]),
        ('1,2,3,"a,b"', FOUR, {}, [1, 2.0, 3, b"a,b"]),
        ('1,2,3,"a""b"', FOUR, {}, [1, 2.0, 3, b'a"b']),
        ('"1","2","3","x"', FOUR, {}, [1, 2.0, 3, b"x"]),
        ('1,2,3,"a\nb"', FOUR, {}, [1, 2.0, 3, b"a\nb"]),
        ('"",2,3,""', [[5], [0.0], [0], ["d"]], {}, [5, 2.0, 3, b"d"]),
        ('1,2,3,"a"b', FOUR, {"use_quote_delim": False}, [1, 2.0, 3, b'"a"b']),
        ("1;2;3;w", FOUR, {"field_delim": ";"}, [1, 2.0, 3, b"w"]),
        ('"NA",NA,3,NA', [[5], [6.0], [0], ["d"]], {"na_value": "NA"}, [5, 6.0, 3, b"d"]),
        ("1,2,3,w", [[0], [""]], {"select_cols": [0, 3]}, [1, b"w"]),
        ("1,x,3,w", [[0]], {"select_cols": [2]}, [3]),
        ('1,a,"b', [[0]], {"select_cols": [0]}, [1]),
        (b"\xff\xfe\0,1", [[""], [0]], {}, [b"\xff\xfe\0", 1]),
        (tf.constant([], tf.string), FOUR, {}, [[], [], [], []]),
    ],
)
def test_values(line, defaults, options, expected):
    assert plain(decode(line, defaults, **options)) == expected


def test_dtypes_are_those_of_the_defaults():
    found = decode("1,2,3,4,5", [[0], I64, [0.0], tf.constant(0.0, tf.float64), [""]])
    assert [each.dtype for each in found] == [tf.int32, tf.int64, tf.float32, tf.float64, tf.string]


def test_in_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def parse(lines):
        number, word = decode(lines, [[0], [""]])
        assert number.shape.as_list() == word.shape.as_list() == [None]
        return number + 1, word

    assert plain(parse(tf.constant(["1,a", "2,b"]))) == [[2, 3], [b"a", b"b"]]


@pytest.mark.parametrize(
    "line, defaults, options, message",
    [
        (",,,", [REQUIRED, *FOUR[1:]], {}, "Field 0 is required but missing in record 0!"),
        (["1,2,3,4", ",,,"], [REQUIRED, *FOUR[1:]], {}, "missing in record 1!"),
        ("1,2", FOUR, {}, "Expect 4 fields but have 2 in record 0"),
        (["1,2,3,4", "1,2,3,4,5"], FOUR, {}, "Expect 4 fields but have 5 in record 1"),
        ("", [[7]], {}, "Expect 1 fields but have 0"),
        ("x,2.5,3,word", FOUR, {}, "Field 0 in record 0 is not a valid int32: x"),
        (["1,2,3,w", "1,y,3,word"], FOUR, {}, "Field 1 in record 1 is not a valid float: y"),
        ("1.5,2,3,word", FOUR, {}, "not a valid int32: 1.5"),
        ("1_0,2,3,w", FOUR, {}, "not a valid int32: 1_0"),
        ("1,2_0,3,w", FOUR, {}, "not a valid float: 2_0"),
        ("3000000000,2,3,w", FOUR, {}, "not a valid int32: 3000000000"),
        ("30000000000000000000", [I64], {}, "not a valid int64"),
        ('1,2,3,a"b', FOUR, {}, "Unquoted fields cannot have quotes/CRLFs inside.*record 0"),
        ('1,2,3, "a"', FOUR, {}, "Unquoted fields"),
        ("1,2,3,w\n", FOUR, {}, "Unquoted fields"),
        ("1,2,3,w\r", FOUR, {"use_quote_delim": False}, "Unquoted fields"),
        (["1,2,3,w", '1,2,3,"a"b'], FOUR, {}, "Quote inside a string has to be escaped.*record 1"),
        ('1,2,3,"ab', FOUR, {}, "Quoted field has to end with quote"),
        ("1,2", [[0], [0]], {"field_delim": ";;"}, "only 1 char"),
        ("1", [True], {}, "not in the list of allowed values"),
        ("1", [], {}, "at least minimum 1"),
        ("1,", [[[0]], [5]], {}, "at most rank 1"),
        ("1,", [[0, 1], [5]], {}, "field 0 has 2"),
        ("1,2,3,w", [[0], [0]], {"select_cols": [0, 9]}, "Expect 2 fields but have 1"),
    ],
)
def test_lines_that_do_not_fit(line, defaults, options, message):
    with pytest.raises(E, match=message):
        decode(line, defaults, **options)


@pytest.mark.parametrize("columns", [[3, 0], [2, 2], [-1, 0], [1]])
def test_selections_that_make_no_sense(columns):
    with pytest.raises(ValueError, match="select_cols"):
        decode("1,2,3,w", [[0], [0]], select_cols=columns)


def test_v1():
    assert plain(tf.compat.v1.decode_csv("1,NA", [[0], [5]], ",", True, "name", "NA")) == [1, 5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_python_writes_is_read(rows):
    lines = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
        lines.append(out.getvalue().encode("utf-8", "surrogatepass"))
    columns = parse_csv(lines, [CsvColumn(tf.string, b"")] * 2)
    expected = np.array([[cell.encode("utf-8", "surrogatepass") for cell in row] for row in rows], object)
    assert np.array_equal(np.stack(columns, axis=1), expected)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30), st.booleans())
def test_any_bytes_are_split_or_refused(line, quoting):
    try:
        split_line(line, CsvFormat(quoting=quoting))
    except ValueError:
        pass
    try:
        parse_csv([line], [CsvColumn(tf.int32, 0), CsvColumn(tf.float32, 0.0)], CsvFormat(quoting=quoting))
    except ValueError:
        pass
