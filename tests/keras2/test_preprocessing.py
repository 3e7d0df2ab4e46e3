"""`keras.preprocessing`: texts, sequences, and images that are changed at random."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

from keras.layers import LSTM, Dense, Flatten  # noqa: E402
from keras.models import Sequential  # noqa: E402
from keras.preprocessing import sequence, text  # noqa: E402
from keras.preprocessing.image import ImageDataGenerator  # noqa: E402
from keras.utils import np_utils  # noqa: E402

TEXTS = ["The cat sat.", "the dog, the end"]


def tokenizer(**options):
    made = text.Tokenizer(**options)
    made.fit_on_texts(TEXTS)
    return made


def test_words_are_numbered_by_how_often_they_occur():
    assert tokenizer().word_index == {"the": 1, "cat": 2, "sat": 3, "dog": 4, "end": 5}


def test_rare_words_are_left_out_or_become_the_unknown_word():
    assert tokenizer(num_words=3).texts_to_sequences(["the cat sat"]) == [[1, 2]]
    assert tokenizer(num_words=3, oov_token="?").texts_to_sequences(["the cow"]) == [[2, 1]]


def test_characters_may_be_the_words():
    assert tokenizer(char_level=True).texts_to_sequences(["t"])[0][0] in range(1, 4)


@pytest.mark.parametrize(("mode", "value"), [("binary", 1), ("count", 2), ("freq", 2 / 3)])
def test_texts_become_matrices(mode, value):
    assert tokenizer().texts_to_matrix(["the the cat"], mode=mode)[0, 1] == pytest.approx(value)


def test_a_tokenizer_is_written_and_read():
    read = text.tokenizer_from_json(tokenizer().to_json())
    assert read.sequences_to_texts([[1, 2]]) == ["the cat"]


def test_words_are_hashed():
    assert text.text_to_word_sequence("A b, a!") == ["a", "b", "a"]
    hashed = text.hashing_trick("a b a", 50, hash_function="md5")
    assert hashed[0] == hashed[2] and all(0 < each < 50 for each in hashed)
    assert len(text.one_hot("a b a", 50)) == 3


def test_sequences_are_padded():
    padded = sequence.pad_sequences([[1, 2, 3], [4]], maxlen=2)
    np.testing.assert_array_equal(padded, [[2, 3], [0, 4]])


def test_skipgrams_pair_words_with_their_neighbours():
    couples, labels = sequence.skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
    assert couples == [[1, 2], [2, 1], [2, 3], [3, 2]] and labels == [1] * 4
    assert sequence.make_sampling_table(5).shape == (5,)


def test_a_time_series_becomes_windows_to_train_on():
    data = np.arange(10.0)
    windows = sequence.TimeseriesGenerator(data.reshape(-1, 1), data, length=2, batch_size=4)
    x, y = windows[0]
    assert x.shape == (4, 2, 1) and y.tolist() == [2, 3, 4, 5] and len(windows) == 2
    model = Sequential([LSTM(2, input_shape=(2, 1)), Dense(1)])
    model.compile("adam", "mse")
    model.fit_generator(windows, epochs=1, verbose=0)


def test_labels_become_one_hot_vectors():
    np.testing.assert_array_equal(np_utils.to_categorical([1, 0], 2), [[0, 1], [1, 0]])
    np.testing.assert_allclose(np_utils.normalize(np.array([[3.0, 4.0]])), [[0.6, 0.8]])


@pytest.fixture
def pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i in range(4):
            image.fromarray(np.full((6, 6, 3), 40 * i, "uint8")).save(tmp_path / name / f"{i}.png")
    return tmp_path


def classifier():
    model = Sequential([Flatten(input_shape=(6, 6, 3)), Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    return model


def test_images_flow_from_arrays():
    pytest.importorskip("scipy")
    x = np.random.default_rng(0).random((8, 6, 6, 3)) * 255
    generator = ImageDataGenerator(
        featurewise_center=True, rotation_range=20, zoom_range=0.1, horizontal_flip=True, rescale=1 / 255
    )
    generator.fit(x)
    flow = generator.flow(x, np_utils.to_categorical([0, 1] * 4), batch_size=4)
    images, labels = flow.next()
    assert images.shape == (4, 6, 6, 3) and labels.shape == (4, 2)
    history = classifier().fit_generator(flow, steps_per_epoch=3, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_images_flow_from_a_directory(pictures):
    generator = ImageDataGenerator(rescale=1 / 255, validation_split=0.25)
    options = {"target_size": (6, 6), "batch_size": 2}
    training = generator.flow_from_directory(str(pictures), subset="training", **options)
    validation = generator.flow_from_directory(str(pictures), subset="validation", **options)
    assert training.class_indices == {"cats": 0, "dogs": 1}
    assert (training.samples, validation.samples) == (6, 2)
    model = classifier()
    model.fit_generator(
        training, steps_per_epoch=5, validation_data=validation, validation_steps=1, verbose=0
    )
    assert model.predict_generator(validation, steps=1).shape == (2, 2)


def test_images_flow_from_a_table(pictures):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"filename": ["cats/0.png", "dogs/1.png"], "class": ["cat", "dog"]})
    flow = ImageDataGenerator().flow_from_dataframe(table, str(pictures), target_size=(6, 6), batch_size=2)
    images, labels = next(flow)
    assert images.shape == (2, 6, 6, 3) and labels.shape == (2, 2)
