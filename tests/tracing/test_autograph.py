"""Programs under `tf.function` give what they give as plain Python."""

import numpy as np
import pytest

import penstock as tf
from tests.tracing import autograph_programs


def arrays(structure):
    return [np.asarray(each) for each in tf.nest.flatten(structure)]


@pytest.mark.parametrize("value", [-7, 3, 12])
@pytest.mark.parametrize("program", autograph_programs.PROGRAMS, ids=lambda each: each.__name__)
def test_converted_program_computes_what_python_computes(program, value):
    expected = program(tf.constant(value))
    result = tf.function(program)(tf.constant(value))
    tf.nest.assert_same_structure(result, expected, check_types=False)
    for got, want in zip(arrays(result), arrays(expected), strict=True):
        np.testing.assert_array_equal(got, want)
