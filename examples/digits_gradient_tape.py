"""The network of `digits_cnn.py`, trained by a loop of our own: `tf.GradientTape` inside a `tf.function`.

penstock run examples/digits_gradient_tape.py
"""

import os

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from digits_cnn import add_shifted, build_model, load_data

PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits_gradient_tape.png")

EPOCHS = 4
BATCH_SIZE = 32

model = build_model()
optimizer = tf.keras.optimizers.Adam(1e-3)
loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def train_step(images, labels):
    with tf.GradientTape() as tape:
        loss = loss_of(labels, model(images, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


@tf.function
def accuracy_of(images, labels):
    predictions = tf.argmax(model(images, training=False), axis=1, output_type=labels.dtype)
    return tf.reduce_mean(tf.cast(predictions == labels, tf.float32))


def main():
    tf.random.set_seed(1)
    train_images, test_images, train_labels, test_labels = load_data()
    train_images, train_labels = add_shifted(train_images, train_labels)
    dataset = tf.data.Dataset.from_tensor_slices((train_images, train_labels))
    dataset = dataset.shuffle(len(train_images), seed=1).batch(BATCH_SIZE)

    history = []
    for epoch in range(1, EPOCHS + 1):
        losses = [train_step(images, labels) for images, labels in dataset]
        accuracy = accuracy_of(tf.constant(test_images), tf.constant(test_labels))
        history += losses
        print(f"epoch {epoch}/{EPOCHS}: loss {np.mean(losses):.4f}, held-out accuracy {accuracy.numpy():.4f}")

    plt.figure(figsize=(6, 3.5))
    plt.semilogy([float(each) for each in history])
    plt.xlabel("step")
    plt.ylabel("loss")
    plt.tight_layout()
    plt.savefig(PICTURE, dpi=90)
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
