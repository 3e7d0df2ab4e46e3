"""One network, three tasks: which digit is it, is it even, and how much ink does it take? Draws what it answers.

The layers up to the features are shared; each task has a head, a loss and a metric of its own.

    penstock run examples/multi_task.py
"""

import os

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

EPOCHS = 15
PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "multi_task.png")


def load_data():
    """Images [n, 8, 8, 1] in 0..1 and the answers to the three questions; the last fifth is held out."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, ..., np.newaxis] / 16).astype("float32")
    target = digits.target[order]
    answers = {
        "digit": target.astype("int32"),
        "even": (target % 2 == 0).astype("float32")[:, np.newaxis],
        "ink": images.mean(axis=(1, 2)),
    }
    split = len(images) * 4 // 5
    train = images[:split], {name: each[:split] for name, each in answers.items()}
    test = images[split:], {name: each[split:] for name, each in answers.items()}
    return train, test


def build_model():
    """Shared convolutions, three heads."""
    image = tf.keras.Input((8, 8, 1))
    x = tf.keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    x = tf.keras.layers.MaxPooling2D()(x)
    x = tf.keras.layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    features = tf.keras.layers.Dense(64, activation="relu")(tf.keras.layers.Flatten()(x))
    return tf.keras.Model(
        image,
        {
            "digit": tf.keras.layers.Dense(10, activation="softmax", name="digit")(features),
            "even": tf.keras.layers.Dense(1, activation="sigmoid", name="even")(features),
            "ink": tf.keras.layers.Dense(1, name="ink")(features),
        },
    )


def draw(history, images, answers, predicted):
    """Writes the losses of the tasks and some digits with the three answers to `PICTURE`."""
    figure = plt.figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    for task in answers:
        axes.semilogy(history[f"val_{task}_loss"], marker="o", label=task)
    axes.set(xlabel="epoch", ylabel="loss, held out", title="Three tasks")
    axes.legend()
    for index, axes in enumerate(right.subplots(2, 5).flat):
        axes.imshow(images[index, ..., 0], cmap="gray_r")
        digit, even = predicted["digit"][index].argmax(), predicted["even"][index, 0] > 0.5
        axes.set_title(f"{digit}, {'even' if even else 'odd'}\nink {predicted['ink'][index, 0]:.2f}", size=8)
        axes.set(xticks=[], yticks=[])
    figure.savefig(PICTURE, dpi=120)


def main():
    tf.keras.utils.set_random_seed(2)
    train, (images, answers) = load_data()
    model = build_model()
    model.compile(
        "adam",
        loss={"digit": "sparse_categorical_crossentropy", "even": "binary_crossentropy", "ink": "mse"},
        loss_weights={"digit": 1.0, "even": 0.5, "ink": 5.0},
        metrics={"digit": "accuracy", "even": "accuracy", "ink": "mae"},
    )
    history = model.fit(
        *train, batch_size=32, epochs=EPOCHS, validation_data=(images, answers), verbose=2
    ).history
    predicted = model.predict(images, verbose=0)
    print(f"digit: accuracy {np.mean(predicted['digit'].argmax(axis=1) == answers['digit']):.4f}")
    print(f"even:  accuracy {np.mean((predicted['even'] > 0.5) == (answers['even'] > 0.5)):.4f}")
    print(
        f"ink:   mean error {np.abs(predicted['ink'] - answers['ink']).mean():.4f} of {answers['ink'].mean():.2f}"
    )
    draw(history, images, answers, predicted)
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
