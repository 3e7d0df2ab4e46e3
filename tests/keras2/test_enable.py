"""After `penstock.install()`, Keras has the module paths and names of Keras 2."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import penstock

penstock.install()

import keras  # noqa: E402

from penstock.keras2.modules import MODULES, RENAMED  # noqa: E402

STATEMENTS = {
    "np_utils": "from keras.utils.np_utils import to_categorical, normalize",
    "text": "from keras.preprocessing.text import Tokenizer, one_hot, text_to_word_sequence, hashing_trick",
    "text's reader": "from keras.preprocessing.text import tokenizer_from_json",
    "sequence": "from keras.preprocessing.sequence import pad_sequences, make_sampling_table, skipgrams",
    "time series": "from keras.preprocessing.sequence import TimeseriesGenerator",
    "image": "from keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img",
    "core": "from keras.layers.core import Dense, Dropout, Activation, Flatten, Lambda, Permute, RepeatVector",
    "convolutional": "from keras.layers.convolutional import Conv2D, MaxPooling2D, ZeroPadding2D, UpSampling2D",
    "recurrent": "from keras.layers.recurrent import LSTM, GRU, SimpleRNN",
    "embeddings": "from keras.layers.embeddings import Embedding",
    "normalization": "from keras.layers.normalization import BatchNormalization",
    "deep normalization": "from keras.layers.normalization.batch_normalization import BatchNormalization",
    "pooling": "from keras.layers.pooling import MaxPool1D, GlobalAveragePooling2D",
    "merge": "from keras.layers.merge import add, concatenate, Concatenate, multiply, average, maximum, dot, Dot",
    "activations": "from keras.layers.advanced_activations import LeakyReLU, PReLU, ELU, ThresholdedReLU",
    "wrappers": "from keras.layers.wrappers import Bidirectional, TimeDistributed",
    "noise": "from keras.layers.noise import GaussianNoise, GaussianDropout, AlphaDropout",
    "engine": "from keras.engine import Layer, Model, InputSpec, Input",
    "topology": "from keras.engine.topology import Layer, Input, InputSpec",
    "training": "from keras.engine.training import Model",
    "generic_utils": "from keras.utils.generic_utils import get_custom_objects, Progbar, custom_object_scope",
    "data_utils": "from keras.utils.data_utils import get_file, Sequence",
    "vis_utils": "from keras.utils.vis_utils import plot_model",
    "objectives": "from keras.objectives import categorical_crossentropy, mean_squared_error, mse",
    "losses": "from keras.losses import mse, mean_squared_error, cosine_proximity, binary_crossentropy",
    "CuDNN": "from keras.layers import CuDNNLSTM, CuDNNGRU",
    "optimizers": "from keras.optimizers import adam, sgd, rmsprop",
    "optimizers' modules": "from keras.optimizers import adam_v2, gradient_descent_v2; adam_v2.Adam",
    "experimental layers": "from tensorflow.keras.layers.experimental.preprocessing import Rescaling, RandomFlip",
    "experimental schedules": "from tensorflow.keras.experimental import CosineDecay",
    "experimental policies": "from tensorflow.keras.mixed_precision.experimental import Policy, set_policy",
    "through tensorflow": "from tensorflow.keras.utils.np_utils import to_categorical",
    "TensorFlow's old place": "from tensorflow.python.keras.layers.core import Dense",
    "all names": "from keras.layers.core import *; Dense",
    "backend": "from keras import backend as K; K.mean, K.epsilon, K.binary_crossentropy",
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_an_import_of_keras_2_works(name):
    exec(STATEMENTS[name], {})


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_one_object_by_all_its_names(path):
    __import__(f"keras.{path}")
    __import__(f"tensorflow.keras.{path}")
    assert sys.modules[f"keras.{path}"] is sys.modules[f"tensorflow.keras.{path}"]


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_object_is_the_one_of_keras_3(old):
    found, new = keras, keras._tf_keras.keras
    for part in old.split("."):
        found = getattr(found, part)
    for part in RENAMED[old].split("."):
        new = getattr(new, part)
    assert found is new


def test_modules_are_reached_as_attributes():
    labels = keras.utils.np_utils.to_categorical([0, 2], 3)
    np.testing.assert_array_equal(labels, [[1, 0, 0], [0, 0, 1]])


def test_a_name_that_is_nowhere_says_where_it_was_looked_for():
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from keras.layers.core import nothing")
    with pytest.raises(AttributeError, match="looked in: layers"):
        _ = keras.layers.core.nothing


def test_a_module_that_neither_has_is_an_import_error():
    with pytest.raises(ModuleNotFoundError):
        exec("import keras.layers.nothing")


def test_without_penstock_keras_is_as_it_was():
    code = "import keras; print(hasattr(keras.utils, 'np_utils'), hasattr(keras.Model, 'fit_generator'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment())
    assert done.stdout.strip() == "False False", done.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
