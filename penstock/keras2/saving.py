"""Saving as Keras 2 did: `model.save("dir")` is a SavedModel, weights go to any path, and callbacks name any file.

A path with an extension is saved, or refused, by Keras 3. Any other is a directory: what `model.export` writes, with the model in
Keras's own format inside it (`assets.extra` is the place for files that are no business of TensorFlow), so that `load_model`
gives a model that trains on; what Keras 2 wrote is read by `saved_model.py`. Weights without an extension are a TensorFlow
checkpoint, those in `.h5` Keras 2's HDF5.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import shutil
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from penstock.keras2 import saved_model
from penstock.keras2.operation_names import operation_classes

KERAS_FORMATS = (".keras", ".h5", ".hdf5")
HDF5 = (".h5", ".hdf5")
EXTENSION = re.compile(r"\.[A-Za-z]\w*$")  # not the end of `model-0.25`
WEIGHTS = (".weights.h5", ".weights.json")
# Short names of losses that a model in HDF5 may hold, and that Keras 3 does not find when it reads one.
LOSS_NAMES = ("KLD", "MAE", "MAPE", "MSE", "MSLE", "kld", "logcosh", "mae", "mape", "mse", "msle")
KERAS_FILE = os.path.join("assets.extra", "model.keras")


def save_as_keras_2_did(keras: ModuleType, own_layout: ModuleType) -> None:
    """Replaces what saves and loads by functions that also take what Keras 2 took.

    Args:
      keras: Keras in the layout of `tf.keras`.
      own_layout: the package `keras`.
    """
    model = keras.Model
    model.save = _saves(model.save)
    model.save_weights = _saves_weights(model.save_weights)
    model.load_weights = _loads_weights(model.load_weights)
    losses = {name: getattr(keras.losses, name) for name in LOSS_NAMES}
    save_model, load_model = _saves(keras.models.save_model), _loads(keras.models.load_model, keras, losses)
    for layout in (keras, own_layout):
        for module in (layout.models, layout.saving):
            module.save_model, module.load_model = save_model, load_model
    _accept_any_file(keras.callbacks.ModelCheckpoint)


def _saves(save: Callable) -> Callable:
    """`model.save` and `save_model`, which have the same arguments."""

    @functools.wraps(save)
    def call(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        path, form = os.fspath(filepath), kwargs.get("save_format")
        known = path.endswith(KERAS_FORMATS) or "://" in path or kwargs.get("zipped") is not None
        if form == "h5" and not path.endswith(HDF5):
            return _save_hdf5(model, path, include_optimizer=kwargs.get("include_optimizer", True))
        # Keras 3's error is a better answer to an extension that is none of its own than a directory of that name.
        if form == "tf" and not known or form is None and not known and not EXTENSION.search(path):
            return _save_directory(model, path, overwrite=args[0] if args else kwargs.get("overwrite", True))
        return save(model, filepath, *args, **_without(kwargs, "options", "save_traces", "signatures"))

    return call


def _loads(load: Callable, keras: ModuleType, losses: dict[str, Any]) -> Callable:
    @functools.wraps(load)
    def call(filepath: Any, custom_objects: Any = None, *args: Any, **kwargs: Any) -> Any:
        kwargs = _without(kwargs, "options")
        inside = os.path.join(os.fspath(filepath), KERAS_FILE)
        if os.path.exists(inside):
            try:
                return load(inside, custom_objects, *args, **kwargs)
            except TypeError as error:
                if "Could not locate class" not in str(error):
                    raise
                warnings.warn(
                    f"load_model: {os.fspath(filepath)} holds a class that is neither registered nor in `custom_objects`. "
                    "The loaded model runs what was saved of it, and predicts; it cannot be trained.",
                    stacklevel=2,
                )
                return saved_model.load_functions(os.fspath(filepath))
        elif os.path.isdir(filepath):
            metadata = saved_model.metadata_of(os.fspath(filepath))
            if metadata is not None:
                options = inspect.signature(load).bind(filepath, custom_objects, *args, **kwargs).arguments
                compiles = options.get("compile", True)
                return saved_model.load(os.fspath(filepath), metadata, custom_objects, compiles, losses)
        if not os.fspath(filepath).endswith(HDF5):
            return load(filepath, custom_objects, *args, **kwargs)
        known = {**operation_classes(keras), **losses, **(custom_objects or {})}
        model = load(filepath, known, *args, **kwargs)
        _restore_optimizer(model, os.fspath(filepath))
        return model

    return call


def _restore_optimizer(model: Any, path: str) -> None:
    """Gives a model read from HDF5 an optimizer for its variables, with the state in the file where that fits.

    Keras 3 (up to 3.15) builds the optimizer for none of the variables, so that it can neither be restored nor used.
    """
    import h5py

    if getattr(model, "optimizer", None) is None:
        return
    model.optimizer = optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    optimizer.build(model.trainable_variables)
    with h5py.File(path, "r") as file:
        state = file.get("optimizer_weights")
        values = [] if state is None else [state[name][()] for name in state.attrs.get("weight_names", ())]
    if [value.shape for value in values] == [tuple(variable.shape) for variable in optimizer.variables]:
        for variable, value in zip(optimizer.variables, values, strict=True):
            variable.assign(value)


def _save_directory(model: Any, path: str, overwrite: bool) -> None:
    if os.path.exists(path):
        if not overwrite:
            raise FileExistsError(f"save: {path} exists, and overwrite is False")
        if os.path.exists(os.path.join(path, "saved_model.pb")):
            shutil.rmtree(path)  # the model that this one takes the place of
    model.export(path, verbose=False)
    inside = os.path.join(path, KERAS_FILE)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    model.save(inside)


def _save_hdf5(model: Any, path: str, include_optimizer: bool) -> None:
    """Writes Keras 2's HDF5 format to a path of any name; the file appears whole."""
    written = f"{path}.saving.h5"
    try:
        model.save(written, include_optimizer=include_optimizer)
        os.replace(written, path)
    finally:
        if os.path.exists(written):
            os.remove(written)


def _saves_weights(save_weights: Callable) -> Callable:
    @functools.wraps(save_weights)
    def call(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        path, form = os.fspath(filepath), kwargs.pop("save_format", None)
        kwargs.pop("options", None)
        if path.endswith(WEIGHTS):
            return save_weights(model, filepath, *args, **kwargs)
        if form == "h5" or path.endswith(HDF5) or path.endswith(".keras"):
            return _save_hdf5(model, path, include_optimizer=False)
        return _save_checkpoint(model, path)

    return call


def _loads_weights(load_weights: Callable) -> Callable:
    @functools.wraps(load_weights)
    def call(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        path = os.fspath(filepath)
        kwargs.pop("options", None)
        if not kwargs.get("by_name", True):
            del kwargs["by_name"]  # by position is what Keras 3 does
        if os.path.exists(f"{path}.index"):
            return _checkpoint(model).read(path).expect_partial()
        if not path.endswith(KERAS_FORMATS) and _is_hdf5(path):
            return _load_hdf5(load_weights, model, path, *args, **kwargs)
        return load_weights(model, filepath, *args, **kwargs)

    return call


def _is_hdf5(path: str) -> bool:
    import h5py

    return os.path.isfile(path) and h5py.is_hdf5(path)


def _load_hdf5(load_weights: Callable, model: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    """Reads an HDF5 file whose name does not say so, under a name that does."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        named = os.path.join(folder, "weights.h5")
        os.symlink(os.path.abspath(path), named)
        return load_weights(model, named, *args, **kwargs)


def _checkpoint(model: Any) -> Any:
    import tensorflow

    return tensorflow.train.Checkpoint(model)


def _save_checkpoint(model: Any, path: str) -> None:
    """A TensorFlow checkpoint, which `tf.train.latest_checkpoint` of its directory finds."""
    import tensorflow

    _checkpoint(model).write(path)
    tensorflow.compat.v1.train.update_checkpoint_state(
        os.path.dirname(path) or ".", os.path.abspath(path), latest_filename="checkpoint"
    )


def _accept_any_file(callback: Any) -> None:
    """Lets ModelCheckpoint write to any path, since `save` and `save_weights` do, and gives it `period` back."""
    init, on_epoch_end = callback.__init__, callback.on_epoch_end

    @functools.wraps(init)
    def call(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        self._period, path = kwargs.pop("period", 1), os.fspath(filepath)
        names = inspect.signature(init).bind(self, path, *args, **_without(kwargs, "options")).arguments
        # Keras 3 looks at the end of the path only while it makes the callback.
        acceptable = "model.weights.h5" if names.get("save_weights_only") else "model.keras"
        init(self, acceptable, *args, **_without(kwargs, "options"))
        self.filepath = path

    @functools.wraps(on_epoch_end)
    def after_epoch(self: Any, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self._period == 0:
            on_epoch_end(self, epoch, logs)

    callback.__init__, callback.on_epoch_end = call, after_epoch


def _without(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in names}
