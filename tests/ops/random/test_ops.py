"""Stateful random ops: seeds and numbers of eager calls, functions and sessions are those of TensorFlow 2.21."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.ops.random import fill as random_fill
from penstock.ops.random.stateful import parameterized_truncated_normal

random = tf.random
v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def fresh_seeds():
    """Each test starts as a new process does."""
    random.set_seed(None)
    yield
    random.set_seed(None)


def lists(*tensors):
    return [tensor.numpy().tolist() for tensor in tensors]


def close(tensors, expected):
    for tensor, values in zip(tensors, expected, strict=True):
        np.testing.assert_array_equal(tensor, np.array(values, tensor.dtype.as_numpy_dtype))


# Seeds.


def test_global_seed_alone_gives_each_call_its_own_numbers():
    random.set_seed(1)
    drawn = [
        random.uniform([2]),
        random.normal([2]),
        random.truncated_normal([2]),
        random.uniform([3], 0, 100, tf.int32),
        random.uniform([2], 2.0, 3.0, tf.float64),
        random.gamma([2], [0.5, 3.0]),
        random.poisson([2], [3.0, 30.0]),
        random.categorical([[0.0, 1.0, 2.0]], 5),
        random.shuffle([1, 2, 3, 4, 5]),
        random.shuffle([[1, 2], [3, 4], [5, 6]]),
    ]
    expected = [
        [0.1651308536529541, 0.9014812707901001],
        [0.40308788418769836, -1.0880208015441895],
        [-0.45701223611831665, -0.40686726570129395],
        [88, 68, 53],
        [2.8782561442669716, 2.50706850213781],
        [[0.09105227142572403, 5.739293098449707], [0.5353593826293945, 2.753904342651367]],
        [[5.0, 32.0], [2.0, 31.0]],
        [[2, 2, 1, 0, 2]],
        [5, 2, 4, 1, 3],
        [[3, 4], [1, 2], [5, 6]],
    ]
    close(drawn, expected)


def test_equal_op_seeds_share_a_stream():
    random.set_seed(1)
    drawn = [random.uniform([1], seed=2) for _ in range(3)]
    close(drawn, [[0.406396746635437], [0.431598424911499], [0.603865385055542]])
    close(
        [random.uniform([1], seed=2, dtype=tf.float64)], [[0.2511744980841868]]
    )  # another dtype, another stream


@pytest.mark.parametrize(
    ("global_seed", "op_seed", "expected"),
    [
        (None, 2, [0.6787465810775757, 0.7141509056091309]),
        (None, 0, [0.10086262226104736, 0.970166802406311]),
        (0, 0, [0.01975703239440918, 0.0070421695709228516]),
        (2**40 + 5, None, [0.06441068649291992, 0.5038937330245972]),
        (2**40 + 5, -3, [0.4677715301513672, 0.3223613500595093]),
        (-7, None, [0.5999785661697388, 0.744141697883606]),
        (np.int64(1), None, [0.1651308536529541, 0.9014812707901001]),
    ],
)
def test_seeds_make_the_numbers_of_tensorflow(global_seed, op_seed, expected):
    random.set_seed(global_seed)
    close([random.uniform([2], seed=op_seed)], [expected])


def test_a_tensor_may_be_the_global_seed():
    random.set_seed(tf.constant(1))
    close([random.uniform([2])], [[0.1651308536529541, 0.9014812707901001]])


def test_setting_the_seed_starts_streams_again():
    random.set_seed(5)
    first = lists(random.uniform([3], seed=1), random.uniform([3], seed=1))
    random.set_seed(5)
    assert lists(random.uniform([3], seed=1), random.uniform([3], seed=1)) == first


def test_without_seeds_numbers_differ():
    assert lists(random.uniform([4])) != lists(random.uniform([4]))


def test_determinism_asks_for_a_seed():
    process.registry["op_determinism"] = True
    try:
        with pytest.raises(RuntimeError, match="Random ops require a seed"):
            random.uniform([1])
    finally:
        process.registry["op_determinism"] = False


def test_threads_never_draw_the_same_numbers():
    random.set_seed(1)
    drawn: list = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(random.uniform([], seed=3).numpy() for _ in range(50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 200


# Functions.


def test_functions_count_their_ops_from_zero_and_keep_streams():
    random.set_seed(1)

    @tf.function
    def two():
        return random.uniform([1]), random.uniform([1], seed=1)

    close(two(), [[0.8126964569091797], [0.055544137954711914]])
    close(two(), [[0.5272892713546753], [0.8388307094573975]])
    random.set_seed(1)
    close(two(), [[0.8126964569091797], [0.055544137954711914]])


def test_each_call_site_of_a_function_has_its_own_stream():
    random.set_seed(1)
    inner = tf.function(lambda: random.uniform([1], seed=1))
    outer = tf.function(lambda: (inner(), inner()))
    close(outer(), [[0.055544137954711914]] * 2)
    close(outer(), [[0.8388307094573975]] * 2)
    close([inner()], [[0.055544137954711914]])


def test_branches_count_from_zero_too():
    random.set_seed(1)

    @tf.function
    def branch(x):
        a = random.uniform([1])
        return (
            a,
            tf.cond(x > 0, lambda: random.uniform([1]), lambda: random.uniform([1])),
            random.uniform([1]),
        )

    first, inside, second = branch(tf.constant(1.0))
    close([first, inside, second], [[0.8126964569091797], [0.8126964569091797], [0.055544137954711914]])


def test_a_loop_draws_anew_in_each_iteration():
    random.set_seed(1)

    @tf.function
    def loop(n):
        total = tf.TensorArray(tf.float32, n)
        for i in tf.range(n):
            total = total.write(i, random.uniform([], seed=1))
        return total.stack()

    first, second = loop(tf.constant(3)).numpy(), loop(tf.constant(3)).numpy()
    assert len({*first, *second}) == 6
    np.testing.assert_array_equal(
        first, np.float32([0.055544137954711914, 0.8388307094573975, 0.5773283243179321])
    )


def test_a_vectorized_map_draws_as_a_loop_does():
    mapped = lambda: tf.vectorized_map(lambda x: x + random.uniform([2], seed=4), tf.zeros([3]))
    random.set_seed(3)
    eager = lists(mapped(), mapped())
    random.set_seed(3)
    compiled = tf.function(mapped)
    assert lists(compiled(), compiled()) == eager


def test_shapes_may_be_known_late():
    random.set_seed(1)
    drawn = tf.function(lambda x: random.normal(tf.shape(x)), input_signature=[tf.TensorSpec([None])])
    assert drawn(tf.zeros([3])).shape == [3]
    assert drawn(tf.zeros([5])).shape == [5]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.uniform([5]),
        lambda: random.uniform([5], 1.0, tf.constant(3.0)),
        lambda: random.uniform([5], 0, 1000, tf.int64),
        lambda: random.normal([2, 3], 1.0, 2.0, tf.float64),
        lambda: random.truncated_normal([9], dtype=tf.float16),
        lambda: random.gamma([4], [0.5, 20.0], 3.0),
        lambda: random.poisson([4], [0.5, 20.0], tf.int32),
        lambda: random.categorical(tf.math.log([[0.5, 0.5], [0.1, 0.9]]), 7, tf.int32),
        lambda: random.shuffle(tf.range(20)),
        lambda: random.shuffle(["a", "b", "c", "d"]),
        lambda: parameterized_truncated_normal([4, 3], minvals=-1.0, maxvals=1.0),
    ],
)
def test_a_compiled_op_draws_what_the_eager_one_draws(draw):
    def twice():
        return draw(), draw()

    random.set_seed(9)
    compiled = [np.asarray(each) for each in tf.function(twice)()]
    graph_seeds = iter([(9, 0), (9, 1)])
    eager = []
    for outer, inner in graph_seeds:
        random.set_seed(outer)
        process.registry["operation_seeds"] = _Fixed(inner)
        eager.append(np.asarray(draw()))
    for mine, theirs in zip(compiled, eager, strict=True):
        assert mine.dtype == theirs.dtype
        if mine.dtype == object or mine.dtype.kind in "iu":
            np.testing.assert_array_equal(mine, theirs)
        else:
            np.testing.assert_allclose(mine, theirs, rtol=1e-6)


class _Fixed:
    """Gives one operation seed."""

    def __init__(self, seed):
        self._seed = seed

    def randint(self, low, high):
        return self._seed


def test_large_eager_tensors_are_filled_in_pieces(monkeypatch):
    for dtype in (tf.float32, tf.float64):
        random.set_seed(1)
        plain = random.normal([300_001], dtype=dtype, seed=1).numpy(), random.uniform([5], seed=1).numpy()
        monkeypatch.setattr(random_fill, "LARGE", 0)
        monkeypatch.setattr(random_fill, "_drawn", {})
        random.set_seed(1)
        pieces = random.normal([300_001], dtype=dtype, seed=1).numpy(), random.uniform([5], seed=1).numpy()
        monkeypatch.undo()
        for mine, theirs in zip(pieces, plain, strict=True):
            np.testing.assert_array_equal(mine, theirs)


# Sessions.


def test_sessions_start_streams_anew():
    with tf.Graph().as_default():
        v1.set_random_seed(3)
        a, b, c = random.normal([2]), random.normal([2], seed=9), random.uniform([2])
        expected = [[-1.864718, 0.802645], [0.3239149, 0.5614552], [0.77806914, 0.5052885]]
        for _ in range(2):
            with v1.Session() as session:
                np.testing.assert_allclose(session.run([a, b, c]), expected, rtol=1e-6)
                np.testing.assert_allclose(session.run(a), [-0.412293, -0.25173962], rtol=1e-6)


def test_graph_names_are_those_of_tensorflow():
    with tf.Graph().as_default() as graph:
        random.normal([2])
        assert [operation.name for operation in graph.get_operations()] == [
            f"random_normal/{each}" for each in ("shape", "mean", "stddev", "RandomStandardNormal", "mul")
        ] + ["random_normal"]


def test_v1_names():
    for name in (
        "random_uniform random_normal truncated_normal random_gamma random_poisson random_shuffle multinomial "
        "set_random_seed random.get_seed random.set_random_seed random.stateless_multinomial"
    ).split():
        found = v1
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found), name
    assert v1.random_poisson(2.0, [3]).shape == [3]
    assert v1.multinomial([[0.0, 1.0]], 3, output_dtype=tf.int32).dtype == tf.int32


# Results and errors.


def test_bounds_and_parameters_broadcast():
    assert random.uniform([2], [1.0, 2.0], [[3.0], [4.0]]).shape == [2, 2]
    assert random.normal([2, 2], [1.0, 2.0], [[1.0], [2.0]]).shape == [2, 2]
    assert random.gamma([5], tf.ones([2, 1]), tf.ones([3])).shape == [5, 2, 3]


@pytest.mark.parametrize(
    "draw", [lambda shape: random.gamma([0], shape), lambda shape: random.poisson([0], shape)]
)
def test_no_samples_are_no_error(draw):
    assert draw([1.0, 2.0]).shape == [0, 2]


@pytest.mark.parametrize("draw", [random.gamma, random.poisson])
def test_one_number_of_one_distribution(draw):
    assert draw([], 2.0).shape == []


def test_gamma_is_never_zero():
    assert float(tf.reduce_min(random.gamma([1000], 0.001, seed=1))) > 0


ERRORS = [
    (lambda: random.uniform(3), tf.errors.InvalidArgumentError, "shape must be a vector"),
    (lambda: random.uniform([-1]), tf.errors.InvalidArgumentError, "Dimension -1 must be >= 0"),
    (
        lambda: random.uniform([2], 5, 3, tf.int32),
        tf.errors.InvalidArgumentError,
        "Need minval < maxval, got 5 >= 3",
    ),
    (lambda: random.uniform([2], dtype=tf.int32), ValueError, "Must specify maxval for integer dtype"),
    (lambda: random.uniform([2], 0, 3, tf.uint8), ValueError, "Accepted dtypes"),
    (
        lambda: random.normal([2], dtype=tf.int32),
        TypeError,
        "Cannot convert 0.0 to EagerTensor of dtype int32",
    ),
    (lambda: random.categorical([1.0, 2.0], 2), tf.errors.InvalidArgumentError, "should be a matrix"),
    (lambda: random.categorical(tf.zeros([2, 0]), 2), tf.errors.InvalidArgumentError, "num_classes"),
    (lambda: random.categorical([[1.0]], -1), tf.errors.InvalidArgumentError, "non-negative"),
    (lambda: random.categorical([[1.0]], 1, tf.float32), ValueError, "Accepted dtypes"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Gradients.


def test_gamma_gradient_is_the_implicit_one():
    alpha, beta = tf.constant([0.5, 2.0, 30.0]), tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch([alpha, beta])
        loss = tf.reduce_sum(random.stateless_gamma([4, 3], [1, 2], alpha, beta) ** 2)
    d_alpha, d_beta = tape.gradient(loss, [alpha, beta])
    np.testing.assert_allclose(d_alpha, [2.241583, 5.155966, 25.881384], rtol=1e-5)
    np.testing.assert_allclose(d_beta, [-0.868643, -5.229523, -256.60867], rtol=1e-5)


def test_truncated_normal_gradient_is_the_implicit_one():
    parameters = [
        tf.constant(0.5),
        tf.constant([1.0, 2.0, 0.5]),
        tf.constant(-1.0),
        tf.constant([1.0, 3.0, 2.0]),
    ]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        mean, deviation, low, high = parameters
        draws = random.stateless_parameterized_truncated_normal([4, 3], [1, 2], mean, deviation, low, high)
        loss = tf.reduce_sum(draws * draws)
    expected = [
        5.8085074,
        [2.5152104, 1.5167593, 3.9323132],
        -2.2476609,
        [2.3451564, 0.18011466, 0.07333759],
    ]
    for got, want in zip(tape.gradient(loss, parameters), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4)


def test_dropped_numbers_of_forward_and_backward_are_the_same():
    x = tf.Variable(tf.ones([4]))
    scale = tf.function(lambda: x * random.uniform([4]))
    for _ in range(2):
        with tf.GradientTape() as tape:
            y = scale()
        np.testing.assert_array_equal(tape.gradient(y, x), y)


# Datasets.


def test_each_iterator_starts_streams_anew():
    drawn = tf.data.Dataset.range(3).map(lambda x: random.uniform([], seed=5))
    first = [each.numpy() for each in drawn]
    np.testing.assert_array_equal(first, np.float32([0.38831127, 0.31686926, 0.42907262]))
    assert [each.numpy() for each in drawn] == first
    assert [each.numpy() for each in drawn.prefetch(2)] == first
    assert drawn.reduce(0.0, tf.add).numpy() == pytest.approx(sum(first))
    assert [each.numpy() for each in drawn.repeat(2)][3:] != first  # one iterator
    assert random.uniform([], seed=5).numpy() == first[0]  # eager streams are others
