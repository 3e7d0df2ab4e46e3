import copy
import dataclasses
import gc
import threading
import weakref

import numpy as np
import pytest

import penstock as tf


def test_traced_once_for_each_dtype_and_shape():
    traces = []

    @tf.function
    def f(x):
        traces.append(x.shape)
        return x + 1

    for value in (1, 2, 1.0, [1.0, 2.0], [3.0, 4.0]):
        f(tf.constant(value))
    assert len(traces) == 3
    assert f.experimental_get_tracing_count() == 3


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        (1, 1, 1),
        (1, 2, 2),
        (1, 1.0, 2),
        ("a", "a", 1),
        (None, 1, 2),
        ((1, 2), (1, 2), 1),
        ([1], (1,), 2),
        (True, 1, 2),
    ],
)
def test_python_values_are_part_of_the_key(first, second, count):
    @tf.function
    def f(x):
        return tf.constant(0)

    f(first)
    f(second)
    assert f.experimental_get_tracing_count() == count


def test_numpy_arrays_count_as_tensors():
    f = tf.function(lambda x: x * 2)
    f(np.array([1.0, 2.0]))
    assert f(np.array([3.0, 4.0])).numpy().tolist() == [6.0, 8.0]
    assert f.experimental_get_tracing_count() == 1


def test_reduce_retracing_relaxes_shapes():
    shapes = []

    @tf.function(reduce_retracing=True)
    def f(x):
        shapes.append(x.shape.as_list())
        return tf.reduce_sum(x)

    for n in (2, 3, 4, 5):
        assert f(tf.ones((n, 2))).numpy() == 2 * n
    assert shapes == [[2, 2], [None, 2]]


def test_input_signature():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return tf.reduce_sum(x)

    assert f([1, 2, 3]).numpy() == 6.0
    assert f(tf.constant([1.0])).numpy() == 1.0
    assert f.experimental_get_tracing_count() == 1
    with pytest.raises(TypeError):
        f(tf.constant([1]))
    with pytest.raises(TypeError):
        f(tf.constant(1.0))
    with pytest.raises(TypeError):
        f()


def test_keyword_and_default_arguments_share_traces():
    @tf.function
    def f(a, b=2, *, c=3):
        return a + b + c

    assert [int(f(tf.constant(1))), int(f(a=tf.constant(1))), int(f(tf.constant(1), b=2, c=3))] == [6, 6, 6]
    assert f.experimental_get_tracing_count() == 1
    with pytest.raises(TypeError):
        f(tf.constant(1), d=4)


def test_structures_in_and_out():
    @tf.function
    def f(batch):
        return {"sum": batch["x"] + batch["y"][0], "rest": (batch["y"][1], None)}

    out = f({"x": tf.constant(1), "y": [tf.constant(2), tf.constant(3)]})
    assert out["sum"].numpy() == 3
    assert out["rest"][0].numpy() == 3
    assert out["rest"][1] is None


def test_captures_of_eager_tensors_and_of_outer_functions():
    big = tf.constant(np.arange(1000.0))

    @tf.function
    def outer(x):
        y = x * 2.0

        @tf.function
        def inner(z):
            return z + y + big[1]

        return inner(x)

    assert outer(tf.constant(1.0, tf.float64)).numpy() == 4.0


def test_variables_made_on_the_first_call():
    class Model(tf.Module):
        def __init__(self):
            self.v = None

        @tf.function
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(tf.ones_like(x) * 2.0)
            return self.v * x

    model = Model()
    assert model(tf.constant(3.0)).numpy() == 6.0
    model.v.assign(5.0)
    assert model(tf.constant(3.0)).numpy() == 15.0


def test_a_variable_may_start_from_an_argument():
    made = []

    @tf.function
    def scaled(x):
        if not made:
            made.append(tf.Variable(x * 2.0))
        made[0].assign_add(1.0)
        return made[0] + x

    assert [float(scaled(tf.constant(1.0))) for _ in range(2)] == [4.0, 5.0]
    with pytest.raises(ValueError, match="has no value yet"):
        tf.function(lambda x: tf.Variable(x) + x).get_concrete_function(tf.TensorSpec([]))


def test_variables_made_on_every_call_are_refused():
    @tf.function
    def f():
        return tf.Variable(1.0)

    with pytest.raises(ValueError, match="non-first call"):
        f()


def test_methods_have_traces_of_their_own():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        @tf.function
        def __call__(self, x):
            return x * self.factor

    assert [Scale(k)(tf.constant(2.0)).numpy() for k in (1.0, 3.0)] == [2.0, 6.0]


def test_objects_are_not_kept_alive():
    class Thing:
        pass

    f = tf.function(lambda thing, x: x + 1)
    thing = Thing()
    f(thing, tf.constant(1))
    reference = weakref.ref(thing)
    f._traces.clear()
    f._relaxed.clear()
    del thing
    gc.collect()
    assert reference() is None


def test_side_effects_keep_their_order():
    v = tf.Variable(1.0)

    @tf.function
    def f():
        a = v.read_value()
        v.assign(10.0)
        b = v.read_value()
        v.assign_add(5.0)
        return a, b, v.read_value()

    assert [x.numpy() for x in f()] == [1.0, 10.0, 15.0]


def test_effects_without_a_use_still_happen():
    v = tf.Variable(0)

    @tf.function
    def f():
        v.assign_add(1)

    for _ in range(3):
        assert f() is None
    assert v.numpy() == 3


def test_results_survive_later_assignments():
    v = tf.Variable(np.ones(1000, np.float32))
    read = tf.function(lambda: v.read_value())
    bump = tf.function(lambda: v.assign_add(np.ones(1000, np.float32)))
    before = read()
    view = v.numpy()
    eager = v.read_value()
    for _ in range(3):
        bump()
    assert (before[0].numpy(), view[0], eager[0].numpy(), v[0].numpy()) == (1.0, 1.0, 1.0, 4.0)


def test_one_variable_by_two_ways():
    v = tf.Variable(1.0)

    @tf.function
    def f(other):
        v.assign_add(1.0)
        other.assign_add(10.0)
        return v.read_value()

    assert f(v).numpy() == 12.0


def test_host_ops_split_the_program():
    from penstock.runtime.compiled_piece import CompiledPiece
    from penstock.runtime.executor import executor_of
    from penstock.runtime.host_steps import HostStep

    @tf.function
    def f(x):
        y = tf.exp(x) * tf.ones([300, 300])
        first = tf.unique(tf.cast(tf.reshape(y, [-1]), tf.int32))[0]
        return (
            tf.reduce_sum(tf.cast(first, tf.float32)) * tf.exp(x)
            + tf.sin(x) * tf.cos(x)
            + tf.tan(x)
            - tf.sinh(x)
        )

    concrete = f.get_concrete_function(tf.TensorSpec([], tf.float32))
    x = 1.0
    expected = 2 * np.exp(x) + np.sin(x) * np.cos(x) + np.tan(x) - np.sinh(x)
    assert concrete(tf.constant(x)).numpy() == pytest.approx(expected, rel=1e-5)
    kinds = [type(step) for step in executor_of(concrete.graph).steps]
    assert CompiledPiece in kinds
    assert HostStep in kinds


@pytest.mark.parametrize("n", [0, 1, 5])
def test_shapes_that_depend_on_data(n):
    @tf.function
    def f(x, n):
        kept = tf.boolean_mask(x, x > 0.0)
        return tf.reduce_sum(kept), tf.range(n), tf.zeros([n, 2]), tf.where(x > 0.0)

    total, numbers, zeros, where = f(tf.constant([1.0, -2.0, 3.0]), tf.constant(n))
    assert total.numpy() == 4.0
    assert numbers.numpy().tolist() == list(range(n))
    assert zeros.shape == (n, 2)
    assert where.numpy().tolist() == [[0], [2]]


def test_python_errors_leave_no_trace_behind():
    @tf.function
    def f(x):
        raise KeyError("mine")

    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            f(tf.constant(1))
    assert tf.executing_eagerly()


def test_leaked_tensors_are_refused():
    kept = []

    @tf.function
    def f(x):
        kept.append(x + 1)
        return x

    f(tf.constant(1))
    with pytest.raises((TypeError, ValueError), match="out of scope"):
        tf.function(lambda: kept[0] * 2)()


def test_a_leaked_tensor_has_no_value_outside():
    kept = []

    @tf.function
    def leaky(x):
        kept.append(x + 1)
        return x

    leaky(tf.constant(1))
    with pytest.raises(TypeError, match="leaky.*used outside"):
        kept[0] + 1


def test_a_concrete_function_prints_its_types():
    large = tf.ones([200])
    concrete = tf.function(lambda x, n=3: x + large).get_concrete_function(tf.TensorSpec([], name="x"))
    text = str(concrete)
    assert text.startswith(
        "ConcreteFunction Input Parameters:\n  x (POSITIONAL_OR_KEYWORD): TensorSpec(shape=()"
    )
    assert "  n (POSITIONAL_OR_KEYWORD): Literal[3]\nOutput Type:\n  TensorSpec(shape=(200,)" in text
    assert "Captures:\n" in text and "None" not in text.split("Captures")[1].split("TensorSpec")[0]


def test_concrete_functions():
    f = tf.function(lambda x, scale: x * scale)
    concrete = f.get_concrete_function(tf.TensorSpec([None], tf.float32), 2.0)
    assert concrete(tf.constant([1.0, 2.0])).numpy().tolist() == [2.0, 4.0]
    assert concrete.structured_outputs is concrete.outputs[0] and concrete.outputs[0].shape.as_list() == [
        None
    ]
    assert concrete.structured_input_signature[0][1] == 2.0
    assert concrete.graph.get_operations()[0].type == "Placeholder"
    with pytest.raises(tf.errors.InvalidArgumentError, match="expects float32"):
        concrete(tf.constant([1]))


def test_running_eagerly():
    calls = []

    @tf.function
    def f(x):
        calls.append(tf.executing_eagerly())
        return x

    tf.config.run_functions_eagerly(True)
    try:
        f(tf.constant(1))
        f(tf.constant(1))
    finally:
        tf.config.run_functions_eagerly(False)
    assert calls == [True, True]


def test_init_scope_and_control_dependencies():
    v = tf.Variable(0.0)

    @tf.function
    def f():
        with tf.init_scope():
            assert tf.executing_eagerly()
            made = tf.constant(3.0)
        with tf.control_dependencies([v.assign(7.0)]):
            return v.read_value() + made

    assert f().numpy() == 10.0


def test_many_threads_call_one_function():
    v = tf.Variable(0)

    @tf.function
    def f(x):
        v.assign_add(x)
        return x * 2

    results = []

    def work():
        for _ in range(50):
            results.append(int(f(tf.constant(1))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2] * 200
    assert v.numpy() == 200


def test_random_numbers_differ_between_calls_and_repeat_with_a_seed():
    def draw():
        tf.random.set_seed(7)
        f = tf.function(lambda: tf.random.uniform([3]))
        return f().numpy(), f().numpy()

    (a, b), (c, d) = draw(), draw()
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)


@pytest.mark.parametrize(
    ("name", "scope"), [("_conv", "conv/"), ("<lambda>", "lambda/"), ("größe", "gre/"), ("_", "call/")]
)
def test_inlined_bodies_get_scopes_that_are_valid_names(name, scope):
    def inner(x):
        return tf.tanh(x)

    inner.__name__ = name
    inner = tf.function(inner)
    outer = tf.function(lambda x: inner(x)).get_concrete_function(tf.TensorSpec([]))
    assert [op.name for op in outer.graph.get_operations() if op.type == "Tanh"] == [f"{scope}Tanh"]


def test_iterators_over_elements_of_other_shapes_are_traced_anew():
    @tf.function(reduce_retracing=True)
    def total(iterator):
        return tf.reduce_sum(next(iterator)) / tf.cast(iterator.element_spec.shape[0], tf.float32)

    values = tf.data.Dataset.from_tensor_slices(np.ones([30], np.float32))
    assert [float(total(iter(values.batch(size, drop_remainder=True)))) for size in (5, 6, 5)] == [1, 1, 1]
    assert total.experimental_get_tracing_count() == 2


@pytest.mark.parametrize(
    ("stage", "sign"), [("hlo", "HloModule"), ("stablehlo", "stablehlo"), ("optimized_hlo", "HloModule")]
)
def test_compiler_ir(stage, sign):
    v = tf.Variable(np.ones((64, 64), np.float32))

    @tf.function
    def f(x):
        v.assign_add(x)
        return tf.reduce_sum(tf.exp(x) * v)

    text = f.experimental_get_compiler_ir(tf.ones((64, 64)))(stage=stage)
    assert sign in text
    assert "exp" in text


def test_compiler_ir_of_a_function_on_the_host():
    f = tf.function(lambda x: tf.unique(x)[0])
    with pytest.raises(ValueError, match="not one compiled program"):
        f.experimental_get_compiler_ir(tf.constant([1, 1]))()
    with pytest.raises(ValueError, match="Unknown stage"):
        f.experimental_get_compiler_ir(tf.constant([1, 1]))(stage="x")


def test_copies_are_traced_by_themselves():
    double = tf.function(lambda x: x * 2)
    assert double(2).numpy() == 4
    for copied in (copy.copy(double), copy.deepcopy(double)):
        assert copied.experimental_get_tracing_count() == 0
        assert copied(3).numpy() == 6


@dataclasses.dataclass(frozen=True)
class _Settings:
    factor: int


def test_equal_objects_share_a_trace():
    function = tf.function(lambda x, settings: x * settings.factor)
    assert [function(3, _Settings(each)).numpy() for each in (2, 2, 4)] == [6, 6, 12]
    assert function.experimental_get_tracing_count() == 2


def test_a_signature_has_all_required_parameters():
    with pytest.raises(TypeError, match="input_signature missing type constraint for y"):
        tf.function(lambda x, y: x, input_signature=[tf.TensorSpec([])])
    with pytest.raises(TypeError, match="contains 1 extra type constraints"):
        tf.function(lambda x, **more: x, input_signature=[tf.TensorSpec([])] * 2)
    with pytest.raises(TypeError, match="keyword-only parameter `y` must have a default"):
        tf.function(lambda x, *, y: x, input_signature=[tf.TensorSpec([])])
    assert tf.function(lambda *x: x[1], input_signature=[tf.TensorSpec([])] * 2)(2.0, 3.0).numpy() == 3.0
    assert tf.function(lambda x, y=3.0: x * y, input_signature=[tf.TensorSpec([])])(2.0).numpy() == 6.0


def test_programs_see_what_small_variables_are_assigned():
    v = tf.Variable([1.0, 2.0])
    multiply = tf.function(lambda x: x * v, jit_compile=True)
    for factor in (1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 1.0):
        v.assign([factor, 2 * factor])
        for _ in range(3):
            assert multiply(tf.constant([2.0, 3.0])).numpy().tolist() == [2 * factor, 6 * factor]
