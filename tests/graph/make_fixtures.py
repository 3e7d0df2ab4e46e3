"""Writes the graphs in `fixtures/` with TensorFlow 2.21: gradients of TF 1's while loops, and what they computed there.

python tests/graph/make_fixtures.py   (run it with an interpreter that has TensorFlow)
"""

import gzip
import pathlib

import numpy as np

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def power(tf):
    """One loop over a vector."""
    x = tf.placeholder(tf.float32, [2], name="x")
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y * x)), [0, x])
    return {"y": y, "gx": tf.gradients(tf.reduce_sum(y), x)[0]}, {"x": [1.5, -0.5]}


def branches(tf):
    """A condition in a loop."""
    x = tf.placeholder(tf.float32, [], name="x")

    def body(i, y):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y * y * x, lambda: tf.sin(y))

    _, y = tf.while_loop(lambda i, y: i < 4, body, [0, x])
    return {"y": y, "gx": tf.gradients(y, x)[0]}, {"x": 1.2}


def nested(tf):
    """A loop in a loop."""
    x = tf.placeholder(tf.float32, [], name="x")

    def inner(y):
        return tf.while_loop(lambda j, z: j < 2, lambda j, z: (j + 1, tf.sin(z * x)), [0, y])[1]

    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, inner(y) + y), [0, x])
    return {"y": y, "gx": tf.gradients(y, x)[0]}, {"x": 0.7}


def scan(tf):
    """Tensor arrays of elements that one loop makes and another reads."""
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.scan(lambda a, v: a * v + tf.sin(v), tf.map_fn(lambda v: v * v, x))
    return {"y": y, "gx": tf.gradients(y, x)[0]}, {"x": [0.5, 1.0, 2.0]}


def rnn(tf):
    """A recurrent network with reference variables, and a step of its training."""
    x = tf.placeholder(tf.float32, [4, None, 3], name="x")
    start = np.arange(10, dtype="float32").reshape(5, 2) / 20
    w = tf.get_variable("w", initializer=start, use_resource=False)
    rows = tf.TensorArray(tf.float32, 4).unstack(x)

    def body(t, h, out):
        h = tf.tanh(tf.matmul(tf.concat([rows.read(t), h], 1), w))
        return t + 1, h, out.write(t, h)

    first = [0, tf.zeros([tf.shape(x)[1], 2]), tf.TensorArray(tf.float32, 4)]
    out = tf.while_loop(lambda t, *_: t < 4, body, first)[2].stack()
    loss = tf.reduce_mean(tf.square(out))
    gx, gw = tf.gradients(loss, [x, w])
    with tf.control_dependencies([loss, gx]):
        step = tf.train.GradientDescentOptimizer(0.5).apply_gradients([(gw, w)])
    with tf.control_dependencies([step]):
        after = tf.identity(w.read_value())
    tf.variables_initializer([w], name="init")
    return {"loss": loss, "gx": gx, "gw": gw, "after": after}, {"x": np.linspace(-1, 1, 24).reshape(4, 2, 3)}


def main():
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    tf.disable_control_flow_v2()
    for make in (power, branches, nested, scan, rnn):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            fetches, feeds = make(tf)
            fetches = {name: tf.identity(each, name) for name, each in fetches.items()}
            if "init" in [each.name for each in graph.get_operations()]:
                session.run("init")
            values = session.run(fetches, {f"{name}:0": value for name, value in feeds.items()})
        message = graph.as_graph_def().SerializeToString(deterministic=True)
        path = FIXTURES / f"loop_gradient_{make.__name__}"
        path.with_suffix(".pb.gz").write_bytes(gzip.compress(message, mtime=0))
        fed = {f"fed_{name}": np.float32(value) for name, value in feeds.items()}
        np.savez_compressed(path.with_suffix(".npz"), **values, **fed)


if __name__ == "__main__":
    main()
