import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train

GRADIENTS = [np.array(each) for each in ([0.5, -1.0], [1.0, 2.0], [-0.25, 0.5])]
START = np.array([1.0, -2.0])


def _momentum(w, state, g, nesterov=False):
    state["m"] = 0.9 * state.get("m", 0) + g
    return w - 0.1 * (g + 0.9 * state["m"] if nesterov else state["m"])


def _adagrad(w, state, g):
    state["a"] = state.get("a", 0.1) + g * g
    return w - 0.1 * g / np.sqrt(state["a"])


def _adadelta(w, state, g):
    state["a"] = 0.95 * state.get("a", 0) + 0.05 * g * g
    step = np.sqrt(state.get("u", 0) + 1e-6) / np.sqrt(state["a"] + 1e-6) * g
    state["u"] = 0.95 * state.get("u", 0) + 0.05 * step * step
    return w - 0.1 * step


def _rmsprop(w, state, g, centered=False):
    state["r"] = 0.9 * state.get("r", 1.0) + 0.1 * g * g
    state["g"] = 0.9 * state.get("g", 0.0) + 0.1 * g
    spread = state["r"] - (state["g"] ** 2 if centered else 0)
    state["m"] = 0.5 * state.get("m", 0.0) + 0.1 * g / np.sqrt(spread + 1e-10)
    return w - state["m"]


def _ftrl(w, state, g):
    a, z = state.get("a", 0.1), state.get("z", 0.0)
    new = a + g * g
    state["z"] = z + g - (np.sqrt(new) - np.sqrt(a)) / 0.1 * w
    state["a"] = new
    shrunk = np.sign(state["z"]) * 0.01 - state["z"]
    return np.where(np.abs(state["z"]) > 0.01, shrunk / (np.sqrt(new) / 0.1), 0)


OPTIMIZERS = {
    "gradient descent": (lambda: train.GradientDescentOptimizer(0.1), lambda w, s, g: w - 0.1 * g),
    "momentum": (lambda: train.MomentumOptimizer(0.1, 0.9), _momentum),
    "nesterov": (
        lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True), lambda w, s, g: _momentum(w, s, g, True),
    ),
    "adagrad": (lambda: train.AdagradOptimizer(0.1), _adagrad),
    "adadelta": (lambda: train.AdadeltaOptimizer(0.1, epsilon=1e-6), _adadelta),
    "rmsprop": (lambda: train.RMSPropOptimizer(0.1, momentum=0.5), _rmsprop),
    "centered rmsprop": (
        lambda: train.RMSPropOptimizer(0.1, momentum=0.5, centered=True), lambda w, s, g: _rmsprop(w, s, g, True),
    ),
    "ftrl": (lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=0.01), _ftrl),
    "proximal gradient descent": (
        lambda: train.ProximalGradientDescentOptimizer(0.1, 0.5),
        lambda w, s, g: np.sign(w - 0.1 * g) * np.maximum(np.abs(w - 0.1 * g) - 0.05, 0),
    ),
}  # fmt: skip


def _expected(rule, gradients):
    w, state = START, {}
    for g in gradients:
        w = rule(w, state, g)
    return w


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_in_a_session(name):
    make, rule = OPTIMIZERS[name]
    with tf.Graph().as_default():
        w, g = v1.Variable(START), v1.placeholder(tf.float64, [2])
        step = make().apply_gradients([(g, w)])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for each in GRADIENTS:
                session.run(step, {g: each})
            np.testing.assert_allclose(session.run(w), _expected(rule, GRADIENTS), rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_eagerly(name):
    make, rule = OPTIMIZERS[name]
    w, optimizer = tf.Variable(START), make()
    for each in GRADIENTS:
        optimizer.apply_gradients([(tf.constant(each), w)])
    np.testing.assert_allclose(w.numpy(), _expected(rule, GRADIENTS), rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slices_with_equal_indices_add_up(name):
    """A step by slices is the step by a tensor, for the rows that the slices name."""
    make, rule = OPTIMIZERS[name]
    with tf.Graph().as_default():
        table = v1.Variable(np.tile(START, (3, 1)))
        slices = tf.IndexedSlices(
            tf.constant(GRADIENTS, tf.float64), tf.constant([2, 0, 2]), tf.constant([3, 2])
        )
        step = make().apply_gradients([(slices, table)])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(step)
            found = session.run(table)
    np.testing.assert_allclose(found[0], rule(START, {}, GRADIENTS[1]), rtol=1e-6)
    np.testing.assert_array_equal(found[1], START)
    np.testing.assert_allclose(found[2], rule(START, {}, GRADIENTS[0] + GRADIENTS[2]), rtol=1e-6)


def test_names_of_slots_and_steps():
    with tf.Graph().as_default():
        with v1.variable_scope("model"):
            w = v1.get_variable("w", [2], initializer=v1.ones_initializer())
        step = v1.Variable(0, trainable=False, name="global_step")
        with v1.name_scope("train"):
            optimizer = train.AdamOptimizer()
            update = optimizer.minimize(tf.reduce_sum(w * w), global_step=step)
        assert update.name == "train/Adam"
        assert [each.name for each in v1.global_variables()][2:] == [
            "train/beta1_power:0", "train/beta2_power:0", "model/w/Adam:0", "model/w/Adam_1:0",
        ]  # fmt: skip
        assert optimizer.get_slot_names() == ["m", "v"]
        assert optimizer.get_slot(w, "v").name == "model/w/Adam_1:0"
        assert update in v1.get_collection("train_op")


def test_constraints_apply_after_the_update():
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[3.0], constraint=lambda value: tf.minimum(value, 2.0))
        step = train.GradientDescentOptimizer(0.01).minimize(tf.reduce_sum(w))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(step)
            assert session.run(w).tolist() == [2.0]


def test_an_optimizer_of_ones_own():
    class SignOptimizer(train.Optimizer):
        def __init__(self, rate, name="Sign"):
            super().__init__(False, name)
            self._rate = rate

        def _prepare(self):
            self._rate_t = tf.convert_to_tensor(self._call_if_callable(self._rate), name="learning_rate")

        def _create_slots(self, var_list):
            for var in var_list:
                self._zeros_slot(var, "count", self._name)

        def _resource_apply_dense(self, grad, var):
            count = self.get_slot(var, "count").assign_add(tf.ones_like(grad))
            return tf.group(var.assign_sub(self._rate_t * tf.sign(grad)), count)

        def _resource_apply_sparse(self, grad, var, indices):
            return var.scatter_sub(tf.IndexedSlices(self._rate_t * tf.sign(grad), indices))

    with tf.Graph().as_default():
        w, table = v1.Variable([1.0, 2.0], name="w"), v1.Variable([[1.0], [1.0]])
        loss = tf.reduce_sum(w * w) + tf.reduce_sum(tf.gather(table, [1, 1]))
        optimizer = SignOptimizer(0.5)
        step = optimizer.minimize(loss)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(step)
            assert session.run(w).tolist() == [0.5, 1.5]
            assert session.run(table).tolist() == [[1.0], [0.5]]
            assert session.run(optimizer.get_slot(w, "count")).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: train.AdagradOptimizer(0.1, 0.0), "must be positive"),
        (lambda: train.FtrlOptimizer(0.1, 0.5), "needs to be negative or zero"),
        (lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=-1.0), "needs to be positive or zero"),
        (lambda: train.GradientDescentOptimizer(0.1, name=""), "optimizer name"),
        (lambda: train.GradientDescentOptimizer(0.1).apply_gradients([]), "No variables"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
