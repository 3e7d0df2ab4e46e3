"""Tensors with layouts over a mesh of four logical CPUs (run by `test_dtensor`)."""

import numpy as np
import pytest

import penstock as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)
dtensor = tf.experimental.dtensor
MESH = dtensor.create_mesh([("x", 2), ("y", 2)], devices=[f"CPU:{i}" for i in range(4)])
RANDOM = np.random.default_rng(0)


def layout(*specs):
    return dtensor.Layout([each or dtensor.UNSHARDED for each in specs], MESH)


def specs(tensor):
    return [
        each if each != dtensor.UNSHARDED else None for each in dtensor.fetch_layout(tensor).sharding_specs
    ]


def put(value, *where):
    return dtensor.copy_to_mesh(tf.constant(value), layout(*where))


def parts(tensor):
    return [each.numpy().tolist() for each in dtensor.unpack(tensor)]


def test_a_tensor_lies_in_parts():
    tensor = put([[1.0, 2.0], [3.0, 4.0]], "x", "y")
    assert parts(tensor) == [[[1.0]], [[2.0]], [[3.0]], [[4.0]]]
    assert tensor.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert dtensor.is_dtensor(tensor)


def test_relayout_and_its_inverse():
    tensor = put([1.0, 2.0, 3.0, 4.0], None)
    split = dtensor.relayout(tensor, layout("y"))
    assert parts(split) == [[1.0, 2.0], [3.0, 4.0]] * 2
    assert specs(dtensor.relayout(split, layout(None))) == [None]
    assert specs(dtensor.relayout(split, dtensor.Layout([dtensor.MATCH], MESH))) == ["y"]
    assert specs(dtensor.relayout_like(tensor, split)) == ["y"]


def test_pack_is_the_inverse_of_unpack():
    given = [tf.constant([1.0, 2.0])] * 2 + [tf.constant([3.0, 4.0])] * 2
    packed = dtensor.pack(given, layout("x"))
    assert packed.shape == [4]
    assert parts(packed) == [each.numpy().tolist() for each in given]
    with pytest.raises(tf.errors.UnimplementedError):
        dtensor.pack([tf.ones([1]), tf.ones([2])] * 2, layout("x"))


def test_a_layout_must_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="equal parts"):
        put([1.0, 2.0, 3.0], "x")
    with pytest.raises(tf.errors.InvalidArgumentError, match="rank"):
        put([1.0, 2.0], "x", "y")


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda u, t: u + 1.0, ["x", "y"]),
        (lambda u, t: u + t, ["x", "y"]),
        (lambda u, t: tf.matmul(u, t), ["x", None]),
        (lambda u, t: tf.reduce_sum(u), []),
        (lambda u, t: tf.reduce_sum(u, axis=0), ["y"]),
        (lambda u, t: tf.transpose(u), ["y", "x"]),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_results_lie_where_tensorflow_puts_them(compute, expected, traced):
    value = RANDOM.normal(size=(4, 4)).astype(np.float32)
    u, t = put(value, "x", "y"), put(value, None, None)
    result = (tf.function(compute) if traced else compute)(u, t)
    assert specs(result) == expected
    np.testing.assert_allclose(result, compute(tf.constant(value), tf.constant(value)), rtol=1e-6)


def test_large_tensors_are_made_in_parts():
    zeros = dtensor.call_with_layout(tf.zeros, layout("x", None), shape=(1024, 64))
    assert [each.data.shape for each in zeros.device_value().addressable_shards] == [(512, 64)] * 4
    noise = dtensor.call_with_layout(tf.random.stateless_uniform, layout("y"), shape=(8,), seed=(1, 2))
    np.testing.assert_array_equal(noise, tf.random.stateless_uniform((8,), (1, 2)))
    assert specs(noise) == ["y"]


def test_gradients_reach_tensors_and_variables():
    tensor, v = put([1.0, 2.0, 3.0, 4.0], "x"), dtensor.DVariable(put([1.0, 1.0, 1.0, 1.0], "x"))
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = tf.reduce_sum(dtensor.relayout(tensor, layout("y")) ** 2 * v)
    for gradient, expected in zip(tape.gradient(y, [tensor, v]), ([2, 4, 6, 8], [1, 4, 9, 16])):
        np.testing.assert_array_equal(gradient, expected)
        assert dtensor.is_dtensor(gradient)


@pytest.mark.parametrize("traced", [False, True])
def test_a_variable_keeps_its_layout(traced):
    v = dtensor.DVariable(tf.zeros([4, 2], tf.float64), layout=layout("x", None))

    def update():
        v.assign_add(tf.ones([4, 2], tf.float64))
        v.assign(v * 3.0)
        v.scatter_update(tf.IndexedSlices(tf.fill([1, 2], tf.constant(7.0, tf.float64)), [1]))

    (tf.function(update) if traced else update)()
    assert v.numpy().tolist() == [[3.0, 3.0], [7.0, 7.0], [3.0, 3.0], [3.0, 3.0]]
    assert specs(v) == specs(v.read_value()) == ["x", None]
    assert v.dtype == tf.float64
    v.assign(np.ones([4, 2]))
    assert (specs(v), v.layout) == (["x", None], layout("x", None))


def test_what_was_read_outlives_an_update():
    v = dtensor.DVariable(put([1.0, 2.0], "x"))
    before = v.read_value()
    tf.function(lambda: v.assign_add([1.0, 1.0]))()
    assert before.numpy().tolist() == [1.0, 2.0]


def test_variables_made_from_them_have_their_layout():
    slot = tf.Variable(tf.zeros_like(dtensor.DVariable(put([1.0, 2.0], "x"))))
    assert specs(slot) == ["x"]


def train(v1, v2, x, y):
    """50 steps of Adam; the losses, and all variables."""
    slots = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in (v1, v2)]
    count = tf.Variable(0.0)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.matmul(tf.nn.relu(tf.matmul(x, v1)), v2) - y) ** 2)
        count.assign_add(1.0)
        for v, gradient, (m, s) in zip([v1, v2], tape.gradient(loss, [v1, v2]), slots):
            m.assign(0.9 * m + 0.1 * gradient)
            s.assign(0.999 * s + 0.001 * gradient**2)
            v.assign_sub(0.003 * (m / (1 - 0.9**count)) / (tf.sqrt(s / (1 - 0.999**count)) + 1e-7))
        return loss

    return [float(step(x, y)) for _ in range(50)], [v1, v2, *slots[0], *slots[1]]


def test_a_model_split_over_devices_trains_as_on_one():
    """Weights and slots are split along one dimension of the mesh, the batch along the other."""
    x, y = RANDOM.normal(size=(64, 32)).astype(np.float32), RANDOM.normal(size=(64, 8)).astype(np.float32)
    w1, w2 = (RANDOM.normal(size=shape).astype(np.float32) / 10 for shape in ((32, 256), (256, 8)))
    expected, _ = train(tf.Variable(w1), tf.Variable(w2), tf.constant(x), tf.constant(y))
    split = dtensor.DVariable(w1, layout=layout(None, "y")), dtensor.DVariable(w2, layout=layout("y", None))
    losses, variables = train(*split, put(x, "x", None), put(y, "x", None))
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    assert losses[-1] < losses[0] / 10
    for each in variables:
        shards = each._state.value.addressable_shards
        assert [shard.data.size * 2 for shard in shards] == [each.numpy().size] * 4  # a device holds a half


def test_tf1_optimizers_keep_layouts():
    v = dtensor.DVariable(put([1.0, 2.0, 3.0, 4.0], "x"))
    optimizer = tf.compat.v1.train.AdamOptimizer(0.1)
    for _ in range(2):
        optimizer.minimize(lambda: tf.reduce_sum(v * v))
    plain = tf.Variable([1.0, 2.0, 3.0, 4.0])
    other = tf.compat.v1.train.AdamOptimizer(0.1)
    for _ in range(2):
        other.minimize(lambda: tf.reduce_sum(plain * plain))
    np.testing.assert_allclose(v, plain, rtol=1e-6)
    assert specs(v) == ["x"]


def test_checkpoints_hold_whole_values(tmp_path):
    v = dtensor.DVariable(put([1.0, 2.0, 3.0, 4.0], "x"))
    path = tf.train.Checkpoint(v=v).save(str(tmp_path / "c"))
    v.assign(tf.zeros([4]))
    tf.train.Checkpoint(v=v).restore(path)
    assert (v.numpy().tolist(), specs(v)) == ([1.0, 2.0, 3.0, 4.0], ["x"])
    plain = tf.Variable(tf.zeros([4]))
    tf.train.Checkpoint(v=plain).restore(path)
    assert plain.numpy().tolist() == [1.0, 2.0, 3.0, 4.0]
    dtensor.name_based_save(MESH, str(tmp_path / "n"), {"a": v})
    restored = dtensor.name_based_restore(MESH, str(tmp_path / "n"), {"a": v})["a"]
    assert (restored.numpy().tolist(), specs(restored)) == ([1.0, 2.0, 3.0, 4.0], ["x"])


def test_checkpoints_in_bfloat16(tmp_path):
    v = dtensor.DVariable(put([1.0, 2.0], "x"))
    dtensor.enable_save_as_bf16([v])
    path = tf.train.Checkpoint(v=v).save(str(tmp_path / "c"))
    assert (
        tf.train.load_checkpoint(path).get_variable_to_dtype_map()["v/.ATTRIBUTES/VARIABLE_VALUE"]
        == tf.bfloat16
    )
    v.assign([0.0, 0.0])
    tf.train.Checkpoint(v=v).restore(path)
    assert v.numpy().tolist() == [1.0, 2.0]


def test_a_dataset_gives_batches_in_parts():
    rows = np.arange(16.0).reshape(8, 2)
    source = tf.data.Dataset.from_tensor_slices(rows)
    make = lambda data, **more: dtensor.DTensorDataset(
        data, mesh=MESH, layouts=layout("x", None), global_batch_size=4, batch_dim="x", **more
    )
    first, second = make(source, prefetch=1)
    assert specs(first) == ["x", None]
    np.testing.assert_array_equal(second, rows[4:])
    assert len(list(make(source.batch(2, drop_remainder=True), dataset_already_batched=True))) == 2
    iterator = iter(make(source))
    total = tf.function(lambda iterator: tf.reduce_sum(next(iterator)))
    assert [float(total(iterator)), float(total(iterator))] == [rows[:4].sum(), rows[4:].sum()]
    with pytest.raises(ValueError, match="per_replica_batch_size"):
        make(source.batch(4, drop_remainder=True), dataset_already_batched=True)
    with pytest.raises(ValueError, match="divisible"):
        dtensor.DTensorDataset(
            source, mesh=MESH, layouts=layout("x", None), global_batch_size=3, batch_dim="x"
        )


def test_ops_run_on_a_mesh():
    with dtensor.run_on(MESH):
        tensor = tf.ones([4]) * 2.0
        noise = tf.random.uniform([2])
    assert specs(tensor) == specs(noise) == [None]
    dtensor.barrier(MESH)


def test_they_show_their_parts():
    assert str(put([1.0, 2.0], None)).startswith(
        'tf.Tensor([1. 2.], layout="sharding_specs:unsharded, mesh:|x=2,y=2|'
    )
    assert '{"CPU:0": [1.], "CPU:1": [1.], "CPU:2": [2.], "CPU:3": [2.]}' in str(put([1.0, 2.0], "x"))
    assert "value=[1. 2.], layout=" in repr(dtensor.DVariable(put([1.0, 2.0], None)))


def test_regular_tensors_stay_regular():
    put([1.0], None)
    assert not dtensor.is_dtensor(tf.ones([2]) + 1.0)
    v = tf.Variable([1.0, 2.0])
    v.assign(put([3.0, 4.0], "x"))
    assert (v.numpy().tolist(), dtensor.is_dtensor(v)) == ([3.0, 4.0], False)


def test_creation_takes_a_layout():
    for make in (tf.zeros, tf.ones):
        assert specs(make([4, 2], layout=layout("x", None))) == ["x", None]
    assert specs(tf.fill([4], 3, layout=layout("y"))) == ["y"]
    assert specs(tf.zeros_like(put([1.0, 2.0], "x"), tf.int32)) == ["x"]
    assert specs(tf.ones_like(tf.zeros([2]), layout=layout("y"))) == ["y"]
