"""Native kernels in which logical devices meet: what they compute of divided matrices is what one device computes."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from penstock.engine import native

_PROGRAM = """
import json
import os
import sys
from unittest import mock
import numpy as np
import penstock as tf
from penstock.engine import native

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
rng = np.random.default_rng(0)
SHAPE = (3 * 1367, 257)  # parts that are no multiples of what kernels do at a time
first = rng.normal(size=SHAPE).astype(np.float32) / 64
x, y = rng.normal(size=(36, SHAPE[0])).astype(np.float32), rng.normal(size=(36, SHAPE[1])).astype(np.float32)

def descend(w, m, v, g):
    w.assign_sub(0.01 * g)

def adam(w, m, v, g):
    m.assign_add((g - m) * 0.1)
    v.assign_add((tf.square(g) - v) * 0.001)
    w.assign_sub(m * 0.01 / (tf.sqrt(v) + 1e-3))

def train(devices, update):
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])
    with strategy.scope():
        w, m, v = tf.Variable(first), tf.Variable(tf.zeros(SHAPE)), tf.Variable(tf.zeros(SHAPE))
    def step(x, y):
        with tf.GradientTape() as tape:

            loss = tf.reduce_sum((tf.tanh(x * s) @ w - y) ** 2) / 36
        context = tf.distribute.get_replica_context()
        g, of_s = context.all_reduce("SUM", tape.gradient(loss, [w, s]))
        context.merge_call(lambda strategy, g, of_s: (update(w, m, v, g), s.assign_sub(1e-3 * of_s)), args=(g, of_s))
        return loss
    with strategy.scope():
        s = tf.Variable(tf.ones(SHAPE[0]))
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors((x, y)).unbatch().batch(12))
    run = tf.function(lambda *batch: strategy.reduce("SUM", strategy.run(step, args=batch), axis=None))
    return [float(run(*batch)) for _ in range(2) for batch in data] + [float(tf.reduce_sum(s * s)), float(tf.reduce_sum(w * w))]

found = {}
for update in (descend, adam):
    with mock.patch.object(native, "call", wraps=native.call) as call:
        found[update.__name__] = [train(1, update), train(3, update), sorted({each.args[0] for each in call.call_args_list})]
print(json.dumps(found))
"""


@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
def test_devices_that_meet_compute_what_one_device_computes():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM)], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    for name, kernel in (("descend", "divided_gradient"), ("adam", "divided_adam")):
        one, three, kernels = found[name]
        np.testing.assert_allclose(three, one, rtol=1e-4)
        assert {"divided_product", "divided_transposed_product", kernel} <= set(kernels)


_LOST = """
import itertools
import jax
import numpy as np
import penstock as tf
from penstock.engine.xla import configure
from penstock.distribute.device_meetings import DeviceMeetings
from penstock.ops.collectives import AXIS

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
configure()
mesh = jax.sharding.Mesh(np.array(jax.devices("cpu")[:3]), (AXIS,))
rows = jax.sharding.PartitionSpec(AXIS)
fails = True

def refuse(x, device):
    if fails and device == 1:
        raise ValueError("device 1 fails")
    return np.asarray(x)

def two_meetings(x, w):
    x = jax.pure_callback(refuse, jax.ShapeDtypeStruct(x.shape, x.dtype), x, jax.lax.axis_index(AXIS))
    meetings = DeviceMeetings(3, itertools.count())
    return meetings.product(meetings.product(x, w, False), w, True)

run = jax.jit(jax.shard_map(two_meetings, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False))
x, w = np.ones((6, 12), np.float32), np.ones((12, 4), np.float32)
try:
    np.asarray(run(x, w))
except jax.errors.JaxRuntimeError as error:
    print(str(error).splitlines()[-1], flush=True)
fails = False
print(np.asarray(run(x, w)).max(), flush=True)
"""


@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
def test_devices_do_not_wait_for_one_whose_program_has_failed():
    done = subprocess.run(
        [sys.executable, "-c", _LOST],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PENSTOCK_MEETING_TIMEOUT": "0.5"},
        timeout=100,
    )
    assert done.stdout.splitlines() == ["ValueError: device 1 fails", "48.0"], done.stderr
