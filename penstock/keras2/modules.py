"""Keras 2's module paths and names that Keras 3 lacks, and what each stands for: the tables and their module class.

A source `layers` is the module of that name in Keras's own layout of `tf.keras`, `.` is that layout's root, and
`penstock...` a module of Penstock. `MODULES` has one row for each old path, `ADDED_NAMES` one for each module of Keras 3
that gets names, `RENAMED` one for each class or function that is called otherwise today. Used by `enable`.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

KERAS = "keras._tf_keras.keras"
BACKEND = "penstock.keras2.backend"

# Old path below `keras` -> sources, which are looked up from left to right.
MODULES: dict[str, str] = {
    "backend.tensorflow_backend": f"backend {BACKEND}",
    "callbacks.callbacks": "callbacks",
    "engine": "layers . models",
    "engine.base_layer": "layers .",
    "engine.functional": ". models",
    "engine.input_layer": "layers .",
    "engine.input_spec": "layers .",
    "engine.network": ". models",
    "engine.saving": "models saving",
    "engine.sequential": "models",
    "engine.topology": "layers . models utils",
    "engine.training": ". models",
    "experimental": "optimizers.schedules",
    "layers.activation": "layers",
    "layers.advanced_activations": "layers",
    "layers.attention": "layers",
    "layers.convolutional": "layers",
    "layers.convolutional_recurrent": "layers",
    "layers.core": "layers",
    "layers.cudnn_recurrent": "layers",
    "layers.embeddings": "layers",
    "layers.experimental": "layers",
    "layers.experimental.preprocessing": "layers",
    "layers.local": "layers penstock.keras2.local",
    "layers.merge": "layers",
    "layers.merging": "layers",
    "layers.noise": "layers",
    "layers.normalization": "layers",
    "layers.normalization.batch_normalization": "layers",
    "layers.pooling": "layers",
    "layers.preprocessing": "layers",
    "layers.recurrent": "layers",
    "layers.regularization": "layers",
    "layers.reshaping": "layers",
    "layers.rnn": "layers",
    "layers.wrappers": "layers",
    "mixed_precision.experimental": "mixed_precision",
    "objectives": "losses",
    "optimizers.adadelta_v2": "optimizers",
    "optimizers.adagrad_v2": "optimizers",
    "optimizers.adam_v2": "optimizers",
    "optimizers.adamax_v2": "optimizers",
    "optimizers.experimental": "optimizers",
    "optimizers.ftrl": "optimizers",
    "optimizers.gradient_descent_v2": "optimizers",
    "optimizers.nadam_v2": "optimizers",
    "optimizers.rmsprop_v2": "optimizers",
    "preprocessing.text": "preprocessing.text",
    "utils.experimental": "penstock.keras2.dataset_creator",
    "utils.data_utils": "utils",
    "utils.generic_utils": "utils saving",
    "utils.io_utils": "utils",
    "utils.layer_utils": "utils",
    "utils.np_utils": "utils",
    "utils.vis_utils": "utils",
    "wrappers.scikit_learn": "penstock.keras2.scikit_learn",
}

# Module of Keras 3 -> sources of names that Keras 2 had there. (The package `keras` leaves out much that the layout of
# `tf.keras` has, so that the module itself, in that layout, is most often the source.)
ADDED_NAMES: dict[str, str] = {
    "backend": f"backend {BACKEND}",
    "layers": "layers penstock.keras2.local penstock.keras2.dense_features",
    "losses": "losses",
    "metrics": "metrics losses",
    "preprocessing.image": "preprocessing.image",
    "preprocessing.sequence": "preprocessing.sequence",
}

# Keras 2's name -> the name of Keras 3.
RENAMED: dict[str, str] = {
    "constraints.maxnorm": "constraints.max_norm",
    "constraints.minmaxnorm": "constraints.min_max_norm",
    "constraints.nonneg": "constraints.non_neg",
    "constraints.unitnorm": "constraints.unit_norm",
    "initializers.normal": "initializers.random_normal",
    "initializers.uniform": "initializers.random_uniform",
    "layers.Convolution1D": "layers.Conv1D",
    "layers.Convolution2D": "layers.Conv2D",
    "layers.Convolution3D": "layers.Conv3D",
    "layers.CuDNNGRU": "layers.GRU",
    "layers.CuDNNLSTM": "layers.LSTM",
    "layers.Deconvolution2D": "layers.Conv2DTranspose",
    "losses.cosine": "losses.cosine_similarity",
    "losses.cosine_proximity": "losses.cosine_similarity",
    "losses.kl_divergence": "losses.kld",
    "losses.log_cosh": "losses.logcosh",
    "losses.mean_absolute_error": "losses.mae",
    "losses.mean_absolute_percentage_error": "losses.mape",
    "losses.mean_squared_error": "losses.mse",
    "losses.mean_squared_logarithmic_error": "losses.msle",
    "mixed_precision.set_policy": "mixed_precision.set_global_policy",
    "optimizers.adadelta": "optimizers.Adadelta",
    "optimizers.adagrad": "optimizers.Adagrad",
    "optimizers.adam": "optimizers.Adam",
    "optimizers.adamax": "optimizers.Adamax",
    "optimizers.nadam": "optimizers.Nadam",
    "optimizers.rmsprop": "optimizers.RMSprop",
    "optimizers.sgd": "optimizers.SGD",
}


class OldModule(ModuleType):
    """A module at a path of Keras 2; a name is looked up in the row's sources when it is asked for, and then kept."""

    def __init__(self, name: str, sources: str):
        super().__init__(name, f"Where Keras 2 had `{name}`.")
        self.__path__: list[str] = []
        self._sources = sources.split()

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [each for each in dir(self) if not each.startswith("_")]
        if not name.startswith("__"):
            for each in self._sources:
                if hasattr(source(each), name):
                    self.__dict__[name] = found = getattr(source(each), name)
                    return found
        raise AttributeError(
            f"{self.__name__} is a module of Keras 2, and Keras 3 has no {name!r} there "
            f"(looked in: {', '.join(self._sources)})"
        )

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *(name for each in self._sources for name in dir(source(each)))})


def source(name: str) -> ModuleType:
    """The module that a source of the tables names."""
    if name.startswith("penstock."):
        return importlib.import_module(name)
    return importlib.import_module(KERAS if name == "." else f"{KERAS}.{name}")
