"""Tells from one sentence of its documentation which package a function belongs to, and draws how sure it is.

The texts are the docstrings of packages that are installed: NumPy, SciPy, scikit-learn, Matplotlib and the standard
library. A vocabulary, an embedding and a convolution over words are trained on four fifths of them.

    penstock run examples/text_classification.py
"""

import importlib
import inspect
import os
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

PACKAGES = {
    "numpy": ["numpy", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.ma"],
    "scipy": [
        "scipy.stats",
        "scipy.signal",
        "scipy.optimize",
        "scipy.special",
        "scipy.ndimage",
        "scipy.sparse",
    ],
    "sklearn": [
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.cluster",
        "sklearn.ensemble",
        "sklearn.preprocessing",
    ],
    "matplotlib": [
        "matplotlib.axes",
        "matplotlib.pyplot",
        "matplotlib.patches",
        "matplotlib.figure",
        "matplotlib.lines",
    ],
    "python": [
        "os",
        "json",
        "email.message",
        "http.client",
        "logging",
        "subprocess",
        "argparse",
        "threading",
        "socket",
    ],
}
NAMES = list(PACKAGES)
WORDS, LENGTH = 4000, 40  # size of the vocabulary, words of a sentence
EPOCHS = 6
PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text_classification.png")


def sentences_of(module):
    """The sentences in the docstrings of a module's functions, classes and methods."""
    things = [each for _, each in inspect.getmembers(module, callable)]
    things += [
        each for thing in things if inspect.isclass(thing) for _, each in inspect.getmembers(thing, callable)
    ]
    for thing in things:
        text = re.sub(r"[^A-Za-z.]+", " ", inspect.getdoc(thing) or "")
        for sentence in re.split(r"\.\s", text):
            if 6 <= len(sentence.split()) <= LENGTH:
                yield " ".join(sentence.split())


def load_sentences():
    """Sentences and the numbers of their packages, no sentence twice, equally many of each package."""
    rng = np.random.default_rng(0)
    found = [
        sorted({each for name in modules for each in sentences_of(importlib.import_module(name))})
        for modules in PACKAGES.values()
    ]
    shared = {each for i, some in enumerate(found) for other in found[:i] for each in set(some) & set(other)}
    found = [[each for each in some if each not in shared] for some in found]
    count = min(min(map(len, found)), 2000)
    texts = [each for some in found for each in rng.choice(some, count, replace=False)]
    return np.array(texts, object), np.repeat(np.arange(len(found)), count)


def build_model(vocabulary):
    """From strings to one logit for each package."""
    return tf.keras.Sequential(
        [
            tf.keras.Input((), dtype="string"),
            vocabulary,
            tf.keras.layers.Embedding(WORDS, 64),
            tf.keras.layers.Conv1D(64, 3, activation="relu"),
            tf.keras.layers.GlobalMaxPooling1D(),
            tf.keras.layers.Dropout(0.4),
            tf.keras.layers.Dense(len(NAMES)),
        ]
    )


def draw(history, labels, probabilities):
    """Writes the training curve, and how much probability each package gets, to `PICTURE`."""
    figure, (curve, matrix) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    curve.plot(history["accuracy"], marker="o", label="training")
    curve.plot(history["val_accuracy"], marker="o", label="held out")
    curve.set(xlabel="epoch", ylabel="accuracy", title="Training")
    curve.legend(loc="lower right")
    mean = np.stack([probabilities[labels == each].mean(axis=0) for each in range(len(NAMES))])
    matrix.imshow(mean, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(mean):
        matrix.text(
            column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.5 else "black"
        )
    ticks = range(len(NAMES))
    matrix.set(xlabel="predicted", ylabel="true", title="Mean probability", xticks=ticks, yticks=ticks)
    matrix.set_xticklabels(NAMES, rotation=30)
    matrix.set_yticklabels(NAMES)
    figure.savefig(PICTURE, dpi=120)


def main():
    tf.keras.utils.set_random_seed(1)
    texts, labels = load_sentences()
    held_out = np.random.default_rng(1).random(len(texts)) < 0.2
    print(f"{len(texts)} sentences of {', '.join(NAMES)}")
    print(f"  such as {texts[0]!r}")
    vocabulary = tf.keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vocabulary.adapt(tf.data.Dataset.from_tensor_slices(texts[~held_out].astype(str)).batch(512))
    model = build_model(vocabulary)
    model.compile(
        tf.keras.optimizers.Adam(0.003),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def batches(chosen):
        return tf.data.Dataset.from_tensor_slices((texts[chosen].astype(str), labels[chosen]))

    train = batches(~held_out).shuffle(20_000, seed=1).batch(64).prefetch(tf.data.AUTOTUNE)
    test = batches(held_out).batch(256)
    history = model.fit(train, epochs=EPOCHS, validation_data=test, verbose=2).history
    probabilities = tf.nn.softmax(model.predict(test, verbose=0)).numpy()
    accuracy = np.mean(probabilities.argmax(axis=1) == labels[held_out])
    print(f"Accuracy on sentences held out: {accuracy:.4f} (chance: {1 / len(NAMES):.2f})")
    draw(history, labels[held_out], probabilities)
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
