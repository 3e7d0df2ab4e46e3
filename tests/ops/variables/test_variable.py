"""tf.Variable: creation, reading, assignment, names, and its behaviour as a Python value."""

import copy
import pickle

import numpy as np
import pytest

import penstock as tf


@pytest.fixture
def vector():
    return tf.Variable([1.0, 2.0], name="v")


@pytest.mark.parametrize(
    ("arguments", "dtype", "value"),
    [
        ({"initial_value": 3.0}, tf.float32, 3.0),
        ({"initial_value": 3, "dtype": tf.float32}, tf.float32, 3.0),
        ({"initial_value": lambda: tf.constant([1, 2])}, tf.int32, [1, 2]),
        ({"initial_value": np.zeros(2)}, tf.float64, [0.0, 0.0]),
        ({"initial_value": "text"}, tf.string, b"text"),
        ({"initial_value": True}, tf.bool, True),
        ({"initial_value": [tf.constant(1.0), 2.0]}, tf.float32, [1.0, 2.0]),
    ],
)
def test_initial_value_sets_dtype_and_value(arguments, dtype, value):
    variable = tf.Variable(**arguments)
    assert variable.dtype == dtype
    assert np.array_equal(variable.numpy(), value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "initial_value"),
        ({"initial_value": [1.0], "shape": [3]}, "not compatible"),
        ({"initial_value": [1.0], "constraint": 3}, "callable"),
        ({"initial_value": 1.0, "aggregation": "mean"}, "aggregation"),
        ({"initial_value": tf.constant(1), "dtype": tf.float32}, "initial_value"),
        (
            {"initial_value": 1.0, "trainable": True, "synchronization": tf.VariableSynchronization.ON_READ},
            "ON_READ",
        ),
    ],
    ids=["nothing", "shape", "constraint", "aggregation", "dtype", "policy"],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tf.Variable(**arguments)


def test_name_has_scope_and_output_number():
    with tf.name_scope("outer"):
        assert tf.Variable(1.0, name="w").name == "outer/w:0"
        assert tf.Variable(1.0).name == "outer/Variable:0"


def test_variables_that_are_read_in_distribution_are_not_trainable():
    assert not tf.Variable(1, synchronization=tf.VariableSynchronization.ON_READ).trainable
    assert tf.Variable(1).trainable


@pytest.mark.parametrize(
    ("method", "argument", "expected"),
    [
        ("assign", [5.0, 6.0], [5.0, 6.0]),
        ("assign_add", [1.0, 1.0], [2.0, 3.0]),
        ("assign_sub", [1.0, 1.0], [0.0, 1.0]),
    ],
)
def test_assignment_changes_the_value_and_returns_the_variable(vector, method, argument, expected):
    result = getattr(vector, method)(argument)
    assert vector.numpy().tolist() == expected
    assert result.numpy().tolist() == expected
    assert getattr(vector, method)(argument, read_value=False) is None


def test_assigned_tensors_must_fit(vector):
    with pytest.raises(ValueError, match="Shape mismatch"):
        vector.assign([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="dtype"):
        vector.assign(tf.constant([1, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="shapes must be equal"):
        vector.assign_add(1.0)


def test_a_variable_of_unknown_shape_takes_values_of_any_shape():
    variable = tf.Variable([1.0], shape=tf.TensorShape(None))
    variable.assign([[1.0, 2.0]])
    assert variable.shape.rank is None
    assert variable.numpy().tolist() == [[1.0, 2.0]]


def test_a_value_read_before_an_assignment_stays(vector):
    before = vector.read_value()
    vector.assign([7.0, 8.0])
    assert before.numpy().tolist() == [1.0, 2.0]


def test_a_value_read_before_a_compiled_assignment_stays(vector):
    @tf.function
    def step():
        vector.assign_add([1.0, 1.0])

    step()
    before = vector.read_value()
    given = tf.constant([5.0, 5.0])
    vector.assign(given)
    step()
    assert before.numpy().tolist() == [2.0, 3.0]
    assert given.numpy().tolist() == [5.0, 5.0]
    assert vector.numpy().tolist() == [6.0, 6.0]


_ROWS = tf.IndexedSlices(tf.constant([[4.0], [2.0]]), tf.constant([0, 2]))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("scatter_update", [4.0, 2.0, 2.0]),
        ("scatter_add", [5.0, 2.0, 5.0]),
        ("scatter_sub", [-3.0, 2.0, 1.0]),
        ("scatter_mul", [4.0, 2.0, 6.0]),
        ("scatter_div", [0.25, 2.0, 1.5]),
        ("scatter_min", [1.0, 2.0, 2.0]),
        ("scatter_max", [4.0, 2.0, 3.0]),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_scatter_combines_rows(method, expected, compiled):
    variable = tf.Variable([[1.0], [2.0], [3.0]])

    def update():
        getattr(variable, method)(_ROWS)

    (tf.function(update) if compiled else update)()
    assert variable.numpy()[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("scatter_nd_update", [9.0, 2.0, 9.0]),
        ("scatter_nd_add", [10.0, 2.0, 12.0]),
        ("scatter_nd_sub", [-8.0, 2.0, -6.0]),
        ("scatter_nd_min", [1.0, 2.0, 3.0]),
        ("scatter_nd_max", [9.0, 2.0, 9.0]),
    ],
)
def test_scatter_nd_combines_elements(method, expected):
    variable = tf.Variable([1.0, 2.0, 3.0])
    getattr(variable, method)([[0], [2]], [9.0, 9.0])
    assert variable.numpy().tolist() == expected


def test_a_repeated_index_counts_each_time(vector):
    vector.scatter_add(tf.IndexedSlices(tf.constant([1.0, 1.0]), tf.constant([0, 0])))
    assert vector.numpy().tolist() == [3.0, 2.0]


def test_scatter_outside_of_the_variable_is_refused(vector):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not in \[0, 2\)"):
        vector.scatter_add(tf.IndexedSlices(tf.constant([1.0]), tf.constant([5])))
    with pytest.raises(TypeError, match="IndexedSlices"):
        vector.scatter_add([1.0])


def test_batch_scatter_update_writes_in_each_row():
    variable = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    variable.batch_scatter_update(tf.IndexedSlices(tf.constant([[9.0], [8.0]]), tf.constant([[0], [1]])))
    assert variable.numpy().tolist() == [[9.0, 2.0], [3.0, 8.0]]


def test_slices_can_be_assigned(vector):
    assert vector[0].assign(5.0).numpy().tolist() == [5.0, 2.0]
    vector[0:2].assign([7.0, 8.0])
    assert vector.numpy().tolist() == [7.0, 8.0]


def test_gradient_of_a_read_is_dense_and_of_a_gather_sparse():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(table * table)
    assert tape.gradient(loss, table).numpy().tolist() == [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(table.sparse_read([2, 0, 2]) * 3.0)
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.indices.numpy().tolist() == [2, 0, 2]
    assert tf.convert_to_tensor(gradient).numpy().tolist() == [[3.0, 3.0], [0.0, 0.0], [6.0, 6.0]]


def test_tapes_watch_trainable_variables_only():
    trained, fixed = tf.Variable(2.0), tf.Variable(3.0, trainable=False)
    with tf.GradientTape() as tape:
        loss = trained * fixed
    assert tape.gradient(loss, [trained, fixed])[0].numpy() == 3.0
    with tf.GradientTape() as tape:
        loss = trained * fixed
    assert tape.gradient(loss, fixed) is None


def test_count_up_to_stops_at_the_limit():
    counter = tf.Variable(0)
    assert [int(counter.count_up_to(2)) for _ in range(2)] == [0, 1]
    with pytest.raises(tf.errors.OutOfRangeError):
        counter.count_up_to(2)


def test_python_protocols(vector):
    assert float(tf.Variable(1.5)) == 1.5
    assert int(tf.Variable(3)) == 3
    assert bool(tf.Variable(True))
    assert [0, 1, 2][tf.Variable(1)] == 1
    assert [float(each) for each in vector] == [1.0, 2.0]
    assert np.asarray(vector).tolist() == [1.0, 2.0]
    assert tf.is_tensor(vector)
    assert not isinstance(vector, tf.Tensor)


def test_equality_compares_elements_and_variables_are_unhashable(vector):
    assert (vector == [1.0, 3.0]).numpy().tolist() == [True, False]
    with pytest.raises(TypeError, match=r"variable\.ref\(\)"):
        hash(vector)
    assert vector.ref() == vector.ref()
    assert vector.ref().deref() is vector


@pytest.mark.parametrize("operation", ["v += 1", "v -= 1", "v *= 2", "v /= 2", "v **= 2"])
def test_in_place_operators_are_refused(operation, vector):
    with pytest.raises(RuntimeError, match="not supported"):
        exec(operation, {"v": vector})


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["deepcopy", "pickle"]
)
def test_copies_have_their_own_value(duplicate, vector):
    other = duplicate(vector)
    vector.assign([0.0, 0.0])
    assert other.name == vector.name
    assert other.numpy().tolist() == [1.0, 2.0]


def test_repr_shows_the_value(vector):
    assert (
        repr(vector) == "<tf.Variable 'v:0' shape=(2,) dtype=float32, numpy=array([1., 2.], dtype=float32)>"
    )
    assert repr(tf.Variable(1.5)) == "<tf.Variable 'Variable:0' shape=() dtype=float32, numpy=1.5>"


# Creators.


def test_creators_see_the_arguments_innermost_first():
    seen = []

    def note(label):
        def creator(next_creator, **kwargs):
            seen.append((label, kwargs["initial_value"]))
            return next_creator(**{**kwargs, "initial_value": kwargs["initial_value"] + 1.0})

        return creator

    with tf.variable_creator_scope(note("outer")), tf.variable_creator_scope(note("inner")):
        assert tf.Variable(1.0).numpy() == 3.0
    assert seen == [("inner", 1.0), ("outer", 2.0)]


def test_v1_constructor_passes_its_own_arguments_to_creators():
    seen = {}

    def creator(next_creator, **kwargs):
        seen.update(kwargs)
        return next_creator(**kwargs)

    with tf.compat.v1.variable_creator_scope(creator):
        variable = tf.compat.v1.Variable(1.0, collections=["mine"], use_resource=True)
    assert seen["collections"] == ["mine"]
    assert isinstance(variable, tf.Variable)
    assert isinstance(variable, tf.compat.v1.Variable)


# Functions.


def test_a_function_makes_its_variables_once():
    class Layer:
        v = None

        @tf.function
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(tf.ones([2]) * 3.0, name="lazy")
            return self.v * x

    layer = Layer()
    assert layer(tf.constant([1.0, 2.0])).numpy().tolist() == [3.0, 6.0]
    assert layer(tf.constant(2.0)).numpy().tolist() == [6.0, 6.0]
    assert layer.v.name == "lazy:0"


def test_reads_see_earlier_assignments_of_the_same_function(vector):
    @tf.function
    def f():
        first = vector.assign_add([1.0, 1.0]) * 1.0
        vector[0].assign(100.0)
        return first, vector.read_value(), vector.gather_nd([[0]])

    first, second, element = f()
    assert first.numpy().tolist() == [2.0, 3.0]
    assert second.numpy().tolist() == [100.0, 3.0]
    assert element.numpy().tolist() == [100.0]
