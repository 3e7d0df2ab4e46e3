"""Programs over meshes of devices, as TensorFlow's guides of DTensor show them: each function is one of them.

Runs unchanged under TensorFlow and under `penstock run`: `dtensor_program.py FILE.npz [NAME ...]`.
"""

import os
import tempfile

import numpy as np
import tensorflow as tf
from program_results import outcome, write_results

(CPU,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 4)

dtensor = tf.experimental.dtensor
UNSHARDED = dtensor.UNSHARDED
MESH = dtensor.create_mesh([("x", 2), ("y", 2)], device_type="CPU")


def _whole(tensor):
    """All of a tensor."""
    return dtensor.relayout(tensor, dtensor.Layout.replicated(MESH, rank=tensor.shape.rank)).numpy()


def _rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _parts(tensor):
    """Where a tensor is, and what each device has of it."""
    layout = dtensor.fetch_layout(tensor)
    return [str(layout.sharding_specs), [np.asarray(each) for each in dtensor.unpack(tensor)]]


def meshes_and_layouts():
    """What meshes and layouts say of themselves."""
    layout = dtensor.Layout(["x", UNSHARDED], MESH)
    return {
        "mesh": [
            MESH.dim_names,
            MESH.size,
            MESH.num_local_devices(),
            MESH.shape(),
            MESH.dim_size("y"),
            MESH.device_type(),
        ],
        "layout": [
            layout.rank,
            layout.num_shards(0),
            layout.num_shards(1),
            layout.sharding_specs,
            layout.is_fully_replicated(),
        ],
        "others": [
            dtensor.Layout.replicated(MESH, rank=2).is_fully_replicated(),
            dtensor.Layout.batch_sharded(MESH, batch_dim="x", rank=3).sharding_specs,
            dtensor.Layout.inner_sharded(MESH, inner_dim="y", rank=2).sharding_specs,
            layout == dtensor.Layout(["x", UNSHARDED], MESH),
            layout.delete([0]).sharding_specs,
            layout.reversed().sharding_specs if hasattr(layout, "reversed") else None,
        ],
    }


def packing():
    """Tensors made of the parts of the devices, copied to the mesh, and laid out anew."""
    layout = dtensor.Layout(["x", "y"], MESH)
    packed = dtensor.pack([tf.constant([[float(i)]]) for i in range(4)], layout)
    copied = dtensor.copy_to_mesh(tf.reshape(tf.range(8), [4, 2]), dtensor.Layout.replicated(MESH, rank=2))
    relaid = dtensor.relayout(copied, dtensor.Layout(["y", UNSHARDED], MESH))
    back = dtensor.relayout(relaid, dtensor.Layout.replicated(MESH, rank=2))
    return [
        packed.shape,
        _parts(packed),
        _parts(copied),
        _parts(relaid),
        back.numpy(),
        dtensor.fetch_layout(back).sharding_specs,
    ]


def single_program():
    """Products of differently split matrices, and a function of them."""
    a, b = _rows(4, 6), _rows(6, 4, seed=1)
    found = []
    for left, right in (("x", "unsharded"), ("unsharded", "y"), ("x", "y")):
        one = dtensor.copy_to_mesh(tf.constant(a), dtensor.Layout.replicated(MESH, rank=2))
        one = dtensor.relayout(one, dtensor.Layout([left, UNSHARDED], MESH))
        two = dtensor.copy_to_mesh(tf.constant(b), dtensor.Layout.replicated(MESH, rank=2))
        two = dtensor.relayout(two, dtensor.Layout([UNSHARDED, right], MESH))
        product = tf.matmul(one, two)
        found += [
            _parts(product),
            _whole(tf.function(lambda p, q: tf.reduce_sum(tf.nn.relu(p @ q), axis=0))(one, two)),
        ]
    return found


def calls_with_layouts():
    """Constants that are made in parts, and layouts inside of functions."""
    layout = dtensor.Layout(["x", UNSHARDED], MESH)
    ones = dtensor.call_with_layout(tf.ones, layout, shape=(4, 3))

    @tf.function
    def inside(x):
        y = dtensor.relayout(x * 2, dtensor.Layout(["y", UNSHARDED], MESH))
        return y + 1

    return [_parts(ones), _parts(inside(ones))]


class _Dense(tf.Module):
    """A layer of the tutorial, with a layout for its weights."""

    def __init__(self, inputs, outputs, seed, layout, activation):
        super().__init__()
        weights = dtensor.copy_to_mesh(
            _rows(inputs, outputs, seed=seed), dtensor.Layout.replicated(MESH, rank=2)
        )
        weights = dtensor.relayout(weights, layout)
        self.weight = dtensor.DVariable(weights)
        bias = dtensor.call_with_layout(tf.zeros, layout.delete([0]), shape=(outputs,))
        self.bias = dtensor.DVariable(bias)
        self.activation = activation

    def __call__(self, x):
        return self.activation(tf.matmul(x, self.weight) + self.bias)


class _Network(tf.Module):
    def __init__(self, first, second):
        super().__init__()
        self.first = _Dense(8, 16, 1, first, tf.nn.relu)
        self.second = _Dense(16, 2, 2, second, tf.identity)

    def __call__(self, x):
        return self.second(self.first(x))


def _trained(batch, first, second):
    model = _Network(first, second)

    @tf.function
    def train_step(model, x, y, rate):
        with tf.GradientTape() as tape:
            logits = model(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=y))
        for parameter, gradient in zip(
            model.trainable_variables, tape.gradient(loss, model.trainable_variables)
        ):
            parameter.assign_sub(rate * gradient)
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == tf.cast(y, tf.int64), tf.float32))

    def to_mesh(value, layout):
        count = layout.mesh.dim_size(batch) if batch else 1
        if not batch:
            return dtensor.copy_to_mesh(tf.constant(value), layout)
        parts = np.split(value, count)
        positions = [each[batch] for each in layout.mesh.local_device_locations()]
        return dtensor.pack([parts[i] for i in positions], layout)

    found = []
    specs = [batch or UNSHARDED]
    for step in range(4):
        x, y = _rows(8, 8, seed=step), np.random.default_rng(step).integers(0, 2, 8).astype(np.int32)
        given = to_mesh(x, dtensor.Layout([*specs, UNSHARDED], MESH)), to_mesh(y, dtensor.Layout(specs, MESH))
        found += [each.numpy() for each in train_step(model, *given, 0.1)]
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(model=model).write(os.path.join(folder, "ckpt"))
        model.first.weight.assign(model.first.weight * 0.0)
        tf.train.Checkpoint(model=model).restore(path)
    layouts = [str(each.layout.sharding_specs) for each in model.trainable_variables]
    return (
        found,
        layouts,
        [_whole(each.read_value()) for each in model.trainable_variables],
    )


def data_parallel():
    """tutorials/distribute/dtensor_ml_tutorial: batches in parts, weights whole."""
    whole = dtensor.Layout.replicated(MESH, rank=2)
    return _trained("x", whole, whole)


def model_parallel():
    """Weights in parts along one dimension of the mesh."""
    return _trained(None, dtensor.Layout([UNSHARDED, "y"], MESH), dtensor.Layout(["y", UNSHARDED], MESH))


def data_and_model_parallel():
    """Batches along one dimension of the mesh, weights along the other."""
    return _trained("x", dtensor.Layout([UNSHARDED, "y"], MESH), dtensor.Layout(["y", UNSHARDED], MESH))


def what_is_refused():
    """Errors of meshes and layouts."""
    return {
        "dimension": outcome(lambda: dtensor.Layout(["z", UNSHARDED], MESH)),
        "twice": outcome(lambda: dtensor.Layout(["x", "x"], MESH)),
        "parts": outcome(lambda: dtensor.pack([tf.constant(1.0)], dtensor.Layout.replicated(MESH, rank=0))),
        "rank": outcome(lambda: dtensor.copy_to_mesh(tf.ones([2]), dtensor.Layout.replicated(MESH, rank=2))),
        "regular": outcome(lambda: dtensor.fetch_layout(tf.constant(1.0))),
    }


if __name__ == "__main__":
    write_results(globals())
