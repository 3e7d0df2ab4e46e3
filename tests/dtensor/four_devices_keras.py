"""Keras's distribution API over four logical CPUs, with Keras's TensorFlow backend (run by `test_dtensor`)."""

import numpy as np
import pytest

import penstock as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)
keras = tf.keras
distribution = keras.distribution
dtensor = tf.experimental.dtensor
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 16)).astype(np.float32)
Y = RANDOM.integers(0, 4, 70)


@pytest.fixture(autouse=True)
def no_distribution():
    yield
    distribution.set_distribution(None)


def data_parallel():
    return distribution.DataParallel(devices=[f"cpu:{i}" for i in range(4)])


def model_parallel():
    mesh = distribution.DeviceMesh((2, 2), ("batch", "model"), [f"cpu:{i}" for i in range(4)])
    layouts = distribution.LayoutMap(mesh)
    layouts[".*wide.*kernel"] = (None, "model")
    layouts[".*wide.*bias"] = ("model",)
    layouts[".*out.*kernel"] = ("model", None)
    return distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")


def built():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((16,)),
            keras.layers.Dense(64, activation="relu", name="wide"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4, name="out"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return model


def results(model):
    """Losses of three epochs with uneven last batches, and what evaluate says after them."""
    history = model.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0).history
    return history["loss"], model.evaluate(X, Y, batch_size=16, verbose=0)


@pytest.fixture(scope="module")
def one_device():
    return results(built())


@pytest.mark.parametrize("make", [data_parallel, model_parallel])
def test_training_goes_as_on_one_device(one_device, make):
    distribution.set_distribution(make())
    for found, expected in zip(results(built()), one_device):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def specs(variable):
    return dtensor.fetch_layout(variable.value).sharding_specs


def test_variables_and_slots_are_split():
    distribution.set_distribution(model_parallel())
    model = built()
    model.fit(X, Y, batch_size=16, verbose=0)
    wide, out = model.get_layer("wide"), model.get_layer("out")
    assert specs(wide.kernel) == ["unsharded", "model"]
    assert specs(wide.bias) == ["model"]
    assert specs(out.kernel) == ["model", "unsharded"]
    slots = {each.path: each for each in model.optimizer.variables}
    found = [specs(each) for path, each in slots.items() if "wide_kernel_" in path]
    assert found == [["unsharded", "model"]] * 2
    shards = wide.kernel.value._state.value.addressable_shards
    assert [each.data.shape for each in shards] == [(16, 32)] * 4


def test_batches_are_split():
    distribution.set_distribution(data_parallel())
    seen = []

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x):
            if tf.executing_eagerly():
                seen.append(dtensor.fetch_layout(x).sharding_specs if dtensor.is_dtensor(x) else None)
            return self.dense(x)

    model = Model()
    model.compile(loss="mse", run_eagerly=True)
    model.predict(X, batch_size=64, verbose=0)
    assert seen[-2:] == [["batch", "unsharded"], None]  # 64 rows, and 6, which four devices cannot share


def test_a_tensor_is_distributed():
    mesh = distribution.DeviceMesh((4,), ("batch",), [f"cpu:{i}" for i in range(4)])
    tensor = distribution.distribute_tensor(tf.ones([8, 2]), distribution.TensorLayout(("batch", None), mesh))
    assert dtensor.fetch_layout(tensor).sharding_specs == ["batch", "unsharded"]


def test_a_model_is_saved_whole(tmp_path):
    distribution.set_distribution(model_parallel())
    model = built()
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "m.keras")
    distribution.set_distribution(None)
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "m.keras").predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6
    )


def test_large_variables_are_made_in_parts():
    distribution.set_distribution(model_parallel())
    layer = keras.layers.Dense(1 << 13, name="wide")
    layer.build((None, 1 << 11))
    assert specs(layer.kernel) == ["unsharded", "model"]
    assert float(tf.math.reduce_std(layer.kernel.value)) > 0
