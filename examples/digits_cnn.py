"""Trains a convolutional network on handwritten digits, and draws what it learned.

An ordinary TensorFlow program: 1,797 real digits of 8x8 pixels (from scikit-learn) are brought to 28x28, a fixed fifth
is held out, and a Keras model is trained on the others and on copies of them shifted by two pixels.

    penstock run examples/digits_cnn.py
"""

import os

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 6
BATCH_SIZE = 32
PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits_cnn.png")


def load_data():
    """Images [n, 28, 28, 1] in 0..1 and labels [n], in the order train images, held-out images, train labels, ..."""
    digits = load_digits()
    images = np.kron(digits.images.astype("float32") / 16, np.ones((1, 3, 3), "float32"))  # 8x8 -> 24x24
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis]
    labels = digits.target.astype("int32")
    return train_test_split(images, labels, test_size=0.2, random_state=42, stratify=labels)


def add_shifted(images, labels, pixels=2):
    """The images, and copies of them shifted up, down, left and right."""
    shifts = [(0, 0), (pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
    images = np.concatenate([np.roll(images, shift, axis=(1, 2)) for shift in shifts])
    return images, np.tile(labels, len(shifts))


def build_model():
    """Three convolutions, two of them followed by max pooling, and two dense layers."""
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1)),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(2),
            tf.keras.layers.Conv2D(64, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(2),
            tf.keras.layers.Conv2D(64, 3, activation="relu"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10),
        ]
    )


def draw(history, images, labels, predictions):
    """Writes the training curve, the confusion matrix and some digits with their predictions to `PICTURE`."""
    figure = plt.figure(figsize=(13, 4.2), layout="constrained")
    curve, matrix, samples = figure.subfigures(1, 3, width_ratios=[1.1, 1, 1.2])

    axes = curve.subplots()
    epochs = range(1, len(history["accuracy"]) + 1)
    axes.plot(epochs, history["accuracy"], marker="o", label="training")
    axes.plot(epochs, history["val_accuracy"], marker="o", label="held out")
    axes.set(xlabel="epoch", ylabel="accuracy", title="Training")
    axes.legend(loc="lower right")

    axes = matrix.subplots()
    confusion = tf.math.confusion_matrix(labels, predictions, num_classes=10).numpy()
    axes.imshow(confusion, cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            color = "white" if row == column else "black"
            axes.text(column, row, count, ha="center", va="center", size=7, color=color)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix", xticks=range(10), yticks=range(10))

    # Those that it got wrong come first.
    order = np.argsort(labels == predictions, kind="stable")
    for axes, index in zip(samples.subplots(4, 5).flat, order, strict=False):
        axes.imshow(images[index, :, :, 0], cmap="gray_r")
        right = labels[index] == predictions[index]
        title = f"{predictions[index]}" if right else f"{predictions[index]}, is {labels[index]}"
        axes.set_title(title, color="green" if right else "red", size=9)
        axes.axis("off")
    samples.suptitle("Predictions (red: wrong)")

    figure.savefig(PICTURE, dpi=120)


def main():
    tf.keras.utils.set_random_seed(1)
    train_images, test_images, train_labels, test_labels = load_data()
    print(f"{len(train_images)} digits to train on, {len(test_images)} held out")
    train_images, train_labels = add_shifted(train_images, train_labels)

    model = build_model()
    steps = EPOCHS * -(-len(train_images) // BATCH_SIZE)
    model.compile(
        optimizer=tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(1e-3, steps)),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(
        train_images,
        train_labels,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_data=(test_images, test_labels),
        verbose=2,
    )

    _, accuracy = model.evaluate(test_images, test_labels, verbose=0)
    predictions = np.argmax(model.predict(test_images, verbose=0), axis=1)
    draw(history.history, test_images, test_labels, predictions)
    print(f"held-out accuracy: {accuracy:.4f}")
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
