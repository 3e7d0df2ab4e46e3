"""Recognizes spoken digits with a convolution over time and an LSTM, and draws what it hears.

The words "zero" to "nine" are spoken by espeak-ng in several voices where it is installed; otherwise the recordings in
`spoken_digits.npz` are used. Two voices are held out: the network has never heard them.

    penstock run examples/spoken_digits.py
"""

import os
import shutil
import subprocess
import tempfile

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

WORDS = "zero one two three four five six seven eight nine".split()
ACCENTS = ["en-us", "en-gb", "en-gb-scotland"]
SPEAKERS = ["m1", "m2", "m3", "m5", "m7", "f1", "f2", "f3", "f4"]
HELD_OUT = ["m3", "f3"]
SPEEDS = [140, 175]  # words per minute
RATE, LENGTH = 8000, 5600  # samples per second, samples of a recording (0.7 s)
EPOCHS = 12
FOLDER = os.path.dirname(os.path.abspath(__file__))
RECORDINGS = os.path.join(FOLDER, "spoken_digits.npz")
PICTURE = os.path.join(FOLDER, "spoken_digits.png")


def speak(word, accent, speaker, speed):
    """The word as `LENGTH` samples in -1..1, from its first loud sample on."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "word.wav")
        subprocess.run(
            ["espeak-ng", "-w", file, "-v", f"{accent}+{speaker}", "-s", str(speed), word], check=True
        )
        sound, rate = tf.audio.decode_wav(tf.io.read_file(file))
    samples = sound[:, 0].numpy()
    places = np.arange(0, len(samples), int(rate) / RATE)
    samples = np.interp(places, np.arange(len(samples)), samples)
    samples = samples[np.argmax(np.abs(samples) > 0.02) :][:LENGTH]
    return np.pad(samples, (0, LENGTH - len(samples))).astype("float32")


def record():
    """All recordings: samples [n, LENGTH], labels [n], and whether the voice is held out [n]."""
    rows = [
        (speak(word, accent, speaker, speed), label, speaker in HELD_OUT)
        for label, word in enumerate(WORDS)
        for accent in ACCENTS
        for speaker in SPEAKERS
        for speed in SPEEDS
    ]
    samples, labels, held_out = zip(*rows)
    return np.stack(samples), np.array(labels, "int32"), np.array(held_out)


def load_recordings():
    """The same from the file, where samples are stored in 8 bits on a logarithmic scale."""
    with np.load(RECORDINGS, allow_pickle=False) as stored:
        level = stored["samples"].astype("float32") / 127
        samples = np.sign(level) * np.expm1(np.abs(level) * np.log(256)) / 255
        return samples.astype("float32"), stored["labels"].astype("int32"), stored["held_out"]


def spectrograms(samples):
    """Logarithms of the energy in 40 mel bands, every 10 ms: [n, frames, 40]."""
    frames = tf.abs(tf.signal.stft(samples, frame_length=200, frame_step=80, fft_length=256))
    bands = tf.signal.linear_to_mel_weight_matrix(40, frames.shape[-1], RATE, 80.0, 3800.0)
    energy = tf.math.log(tf.matmul(frames**2, bands) + 1e-4)
    return (energy - tf.reduce_mean(energy)) / tf.math.reduce_std(energy)


def build_model(shape):
    """Two convolutions over time, an LSTM, and a dense layer."""
    return tf.keras.Sequential(
        [
            tf.keras.Input(shape),
            tf.keras.layers.Conv1D(64, 5, activation="relu"),
            tf.keras.layers.MaxPooling1D(2),
            tf.keras.layers.Conv1D(64, 3, activation="relu"),
            tf.keras.layers.Dropout(0.3),
            tf.keras.layers.LSTM(64),
            tf.keras.layers.Dense(10),
        ]
    )


def draw(history, pictures, labels, predictions):
    """Writes the training curve and one spectrogram for each digit to `PICTURE`."""
    figure = plt.figure(figsize=(13, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 2])
    axes = left.subplots()
    axes.plot(history["accuracy"], marker="o", label="training")
    axes.plot(history["val_accuracy"], marker="o", label="voices held out")
    axes.set(xlabel="epoch", ylabel="accuracy", title="Training")
    axes.legend(loc="lower right")
    for digit, axes in enumerate(right.subplots(2, 5).flat):
        index = np.flatnonzero(labels == digit)[0]
        axes.imshow(pictures[index].T, origin="lower", aspect="auto", cmap="magma")
        axes.set(title=f"{WORDS[digit]}: heard {WORDS[predictions[index]]}", xticks=[], yticks=[])
        axes.title.set_size(9)
    figure.savefig(PICTURE, dpi=120)


def main():
    tf.keras.utils.set_random_seed(1)
    installed = shutil.which("espeak-ng") is not None
    samples, labels, held_out = record() if installed else load_recordings()
    print(f"{len(labels)} recordings, {'spoken by espeak-ng' if installed else 'from ' + RECORDINGS}")
    pictures = spectrograms(samples).numpy()
    train = pictures[~held_out], labels[~held_out]
    test = pictures[held_out], labels[held_out]
    model = build_model(pictures.shape[1:])
    model.compile(
        tf.keras.optimizers.Adam(0.002),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(*train, batch_size=32, epochs=EPOCHS, validation_data=test, verbose=2).history
    predictions = model.predict(test[0], verbose=0).argmax(axis=1)
    print(f"Accuracy on voices never heard: {np.mean(predictions == test[1]):.4f}")
    draw(history, *test, predictions)
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
