"""Programs whose graphs and models one engine writes and the other one reads: `tf` is either, and nothing here knows which.

A graph case builds a GraphDef; a model case writes a SavedModel. Both say what goes in and what came out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Written(NamedTuple):
    """What was written: feeds and results by the names of tensors (graphs) or of arguments (functions).

    Attributes:
      where: "" for a graph, or what to call of a model: "signature:NAME", "function:NAME", "gradient:NAME" (of a
        weighted sum of a function's first result to its first argument).
    """

    where: str
    feeds: dict[str, np.ndarray]
    results: dict[str, np.ndarray]


def _rng() -> np.random.Generator:
    return np.random.default_rng(11)


def _normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (_rng().normal(size=shape) * scale).astype(np.float32)


def weighted_sum(tf: Any, tensor: Any) -> Any:
    """A scalar that depends on every element in its own way."""
    weights = np.cos(np.arange(np.prod(tensor.shape)) + 1.0).reshape(tensor.shape)
    return tf.reduce_sum(tensor * tf.constant(weights, tensor.dtype))


# Graphs: build(tf, v1) -> (placeholders, results).


def mlp(tf: Any, v1: Any) -> tuple[list, list]:
    """Two dense layers with variables."""
    x = v1.placeholder(tf.float32, [None, 8], name="x")
    hidden = tf.nn.relu(x @ tf.Variable(_normal(8, 16)) + tf.Variable(_normal(16)))
    return [x], [tf.nn.softmax(hidden @ tf.Variable(_normal(16, 4)))]


def cnn(tf: Any, v1: Any) -> tuple[list, list]:
    """Convolutions, pooling, batch normalization."""
    x = v1.placeholder(tf.float32, [2, 12, 12, 3], name="x")
    y = tf.nn.conv2d(x, tf.Variable(_normal(3, 3, 3, 8, scale=0.3)), strides=[1, 2, 2, 1], padding="SAME")
    y = tf.nn.max_pool2d(tf.nn.relu(y), 2, 2, "VALID")
    mean, variance = tf.nn.moments(y, [0, 1, 2])
    y = tf.nn.batch_normalization(y, mean, variance, 0.1, 1.5, 1e-3)
    y = tf.nn.depthwise_conv2d(y, tf.Variable(_normal(2, 2, 8, 1)), [1, 1, 1, 1], "SAME")
    return [x], [tf.reduce_mean(y, [1, 2])]


def lstm(tf: Any, v1: Any) -> tuple[list, list]:
    """An LSTM over time, in a loop with tensor arrays."""
    x = v1.placeholder(tf.float32, [3, 7, 5], name="x")
    weights, bias = tf.Variable(_normal(11, 24, scale=0.4)), tf.Variable(_normal(24, scale=0.1))
    steps = tf.TensorArray(tf.float32, 7).unstack(tf.transpose(x, [1, 0, 2]))

    def step(time: Any, h: Any, c: Any, outputs: Any) -> tuple:
        i, f, g, o = tf.split(tf.concat([steps.read(time), h], 1) @ weights + bias, 4, axis=1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return time + 1, h, c, outputs.write(time, h)

    start = (tf.constant(0), tf.zeros([3, 6]), tf.zeros([3, 6]), tf.TensorArray(tf.float32, 7))
    _, h, c, outputs = tf.while_loop(lambda time, *_: time < 7, step, start)
    return [x], [h, c, outputs.stack()]


def while_loop(tf: Any, v1: Any) -> tuple[list, list]:
    """Nested loops, of which one changes the shape of a variable, and the gradient of one."""
    x = v1.placeholder(tf.float32, [3], name="x")
    n = v1.placeholder(tf.int32, [], name="n")

    def inner(i: Any, a: Any) -> tuple:
        _, a = tf.while_loop(lambda j, a: j < i, lambda j, a: (j + 1, tf.sin(a) + x), (tf.constant(0), a))
        return i + 1, a

    _, y = tf.while_loop(lambda i, a: i < n, inner, (tf.constant(0), x))
    shapes = (tf.TensorShape([]), tf.TensorShape([None]))
    _, grown = tf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, tf.concat([a, a], 0)), (tf.constant(0), x), shapes
    )
    return [x, n], [y, grown]


def cond(tf: Any, v1: Any) -> tuple[list, list]:
    """Nested branches, a case, a branch that assigns a variable."""
    x = v1.placeholder(tf.float32, [2], name="x")
    total = tf.Variable([0.0, 0.0])
    y = tf.cond(
        tf.reduce_sum(x) > 0.0,
        lambda: tf.cond(x[0] > 1.0, lambda: total.assign_add(x) * 2.0, lambda: x * 3.0),
        lambda: x - 1.0,
    )
    z = tf.switch_case(tf.cast(x[1], tf.int32), [lambda: tf.sqrt(x + 9.0), lambda: x * x], default=lambda: -x)
    return [x], [tf.identity(y), z]


def strings(tf: Any, v1: Any) -> tuple[list, list]:
    """Strings and numbers made of them."""
    x = v1.placeholder(tf.string, [None], name="x")
    joined = tf.strings.join([tf.strings.upper(x), tf.constant("!")])
    return [x], [joined, tf.strings.to_hash_bucket_fast(joined, 1000), tf.strings.length(x)]


_FEEDS: dict[str, list[np.ndarray]] = {
    "mlp": [_normal(5, 8)],
    "cnn": [_normal(2, 12, 12, 3)],
    "lstm": [_normal(3, 7, 5)],
    "while_loop": [_normal(3), np.array(4, np.int32)],
    "cond": [np.float32([1.5, 1.0])],
    "strings": [np.array([b"one", b"", b"three"], object)],
}
GRAPHS: dict[str, Callable] = {build.__name__: build for build in (mlp, cnn, lstm, while_loop, cond, strings)}


def write_graph(
    tf: Any, name: str, frozen: bool, v1_control_flow: bool = False
) -> tuple[bytes, Written, str]:
    """A GraphDef, what it computes, and the operation that initializes its variables ("" where there are none)."""
    v1 = tf.compat.v1
    if v1_control_flow:
        v1.disable_control_flow_v2()
        v1.disable_resource_variables()
    try:
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            placeholders, results = GRAPHS[name](tf, v1)
            initialize = v1.global_variables_initializer()
            session.run(initialize)
            message = graph.as_graph_def()
            names = [each.op.name for each in results]
            if frozen:
                message = v1.graph_util.convert_variables_to_constants(session, message, names)
            feeds = dict(zip((each.name for each in placeholders), _FEEDS[name]))
            values = session.run(results, feeds)
    finally:
        v1.enable_control_flow_v2()
        v1.enable_resource_variables()
    found = dict(zip((each.name for each in results), map(np.asarray, values)))
    return message.SerializeToString(), Written("", feeds, found), "" if frozen else initialize.name


def write_application(tf: Any) -> tuple[bytes, Written, str]:
    """MobileNet of Keras with a small input, frozen as a TF 2 function."""
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    keras.utils.set_random_seed(5)
    model = keras.applications.MobileNet(
        input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=10, classifier_activation=None
    )
    function = tf.function(lambda x: model(x, training=False))
    frozen = convert_variables_to_constants_v2(
        function.get_concrete_function(tf.TensorSpec([2, 64, 64, 3], tf.float32, name="x"))
    )
    x = _normal(2, 64, 64, 3)
    (source,), (target,) = frozen.inputs, frozen.outputs
    feeds, results = {source.name: x}, {target.name: model(x).numpy()}
    return frozen.graph.as_graph_def().SerializeToString(), Written("", feeds, results), ""


# Models: write(tf, directory) -> what to call.


def module(tf: Any, directory: Path) -> list[Written]:
    """A module: containers, tables, an asset, traces by Python values, a custom gradient."""
    vocabulary = directory.parent / "vocabulary.txt"
    vocabulary.write_text("a\nb\nc\n")
    index = tf.lookup.TextFileIndex

    class Model(tf.Module):
        def __init__(self) -> None:
            self.scale = tf.Variable([1.0, 2.0])
            self.more = [tf.Variable(3.0), {"x": tf.Variable(4.0)}]
            lines = tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
            )
            self.table = tf.lookup.StaticHashTable(lines, -1)
            self.counts = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return {"y": x * self.scale + self.more[0] * self.more[1]["x"]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
        def find(self, words: Any) -> Any:
            return {"ids": self.table.lookup(words), "counts": self.counts.lookup(words)}

        @tf.function(input_signature=[tf.TensorSpec([2], tf.float32, name="x")])
        def strange(self, x: Any) -> Any:
            @tf.custom_gradient
            def clipped(z: Any) -> Any:
                return tf.exp(z), lambda dy: dy * tf.clip_by_value(z, 0.0, 1.0) * 10.0

            return {"y": clipped(tf.sin(x)) * self.scale}

    model = Model()
    model.counts.insert(tf.constant(["b"]), tf.constant([7], tf.int64))
    x, words = _normal(3, 2), np.array([b"b", b"z"], object)
    v = np.float32([0.3, -0.4])
    signatures = {"serving_default": model.__call__, "find": model.find}
    tf.saved_model.save(model, str(directory), signatures=signatures)
    vocabulary.unlink()
    slope = 10.0 * np.clip(np.sin(v), 0, 1) * np.cos(v) * np.float32([1.0, 2.0]) * np.cos(np.float32([1, 2]))
    found = model.find(tf.constant(words))
    return [
        Written("signature:serving_default", {"x": x}, {"y": model(x)["y"].numpy()}),
        Written("signature:find", {"words": words}, {key: value.numpy() for key, value in found.items()}),
        Written("gradient:strange", {"x": v}, {"gradient": slope}),
    ]


def _exported(make: Callable[[Any], Any], inputs: Callable[[], np.ndarray]) -> Callable:
    def write(tf: Any, directory: Path) -> list[Written]:
        import keras

        keras.utils.set_random_seed(3)
        model, x = make(keras), inputs()
        call = tf.constant(x) if x.dtype != object else tf.constant(x, tf.string)
        expected = model(call).numpy()
        model.export(str(directory), verbose=False)
        written = [Written("function:serve", {"x": x}, {"output": expected})]
        if x.dtype != object:
            with tf.GradientTape() as tape:
                tape.watch(call)
                loss = weighted_sum(tf, model(call))
            written.append(
                Written("gradient:serve", {"x": x}, {"gradient": tape.gradient(loss, call).numpy()})
            )
        return written

    return write


def _keras_cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((10, 10, 3)), layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization(),
            layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.5), layers.Dense(4, activation="softmax"),
        ]
    )  # fmt: skip


def _keras_rnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((6, 4)), layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.GRU(3),
            layers.Dense(2),
        ]
    )  # fmt: skip


def _keras_attention(keras: Any) -> Any:
    x = keras.Input((5, 8))
    y = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(x, keras.layers.LayerNormalization()(y + x))


def _keras_text(keras: Any) -> Any:
    text = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    text.adapt(["the quick brown fox", "jumps over the lazy dog"])
    x = keras.Input((), dtype="string")
    y = keras.layers.Embedding(20, 6)(text(x))
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(y)))


def tf1_model(tf: Any, directory: Path) -> list[Written]:
    """A SavedModel the TF 1 way."""
    v1 = tf.compat.v1
    x = _normal(4, 3)
    with tf.Graph().as_default(), v1.Session() as session:
        source = v1.placeholder(tf.float32, [None, 3], name="x")
        w = v1.get_variable("w", initializer=tf.constant(_normal(3, 2)))
        y = tf.cond(tf.reduce_sum(source) > 0.0, lambda: tf.matmul(source, w), lambda: tf.matmul(-source, w))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(directory), {"x": source}, {"y": y})
        expected = session.run(y, {source: x})
    return [Written("signature:serving_default", {"x": x}, {"y": expected})]


MODELS: dict[str, Callable] = {
    "module": module,
    "Keras CNN": _exported(_keras_cnn, lambda: _normal(2, 10, 10, 3)),
    "Keras LSTM and GRU": _exported(_keras_rnn, lambda: _normal(2, 6, 4)),
    "Keras attention": _exported(_keras_attention, lambda: _normal(2, 5, 8)),
    "Keras text": _exported(_keras_text, lambda: np.array([b"the lazy fox", b"over and out"], object)),
    "TF 1 model": tf1_model,
}
