"""The directory of a SavedModel: its files, their names, reading and writing the message, fingerprints, assets.

saved_model.pb, variables/variables.{index,data-...}, assets/..., fingerprint.pb
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.io.proto_schema import message_classes

# Public constants, and the older namespaces that hold them too.
_CONSTANTS: dict[str, dict[str, Any]] = {
    "constants": {
        "ASSETS_DIRECTORY": "assets", "ASSETS_KEY": "saved_model_assets", "DEBUG_DIRECTORY": "debug",
        "DEBUG_INFO_FILENAME_PB": "saved_model_debug_info.pb", "SAVED_MODEL_FILENAME_PB": "saved_model.pb",
        "SAVED_MODEL_FILENAME_PBTXT": "saved_model.pbtxt", "SAVED_MODEL_SCHEMA_VERSION": 1,
        "VARIABLES_DIRECTORY": "variables", "VARIABLES_FILENAME": "variables",
    },
    "signature_constants": {
        "CLASSIFY_INPUTS": "inputs", "CLASSIFY_METHOD_NAME": "tensorflow/serving/classify",
        "CLASSIFY_OUTPUT_CLASSES": "classes", "CLASSIFY_OUTPUT_SCORES": "scores",
        "DEFAULT_SERVING_SIGNATURE_DEF_KEY": "serving_default", "PREDICT_INPUTS": "inputs",
        "PREDICT_METHOD_NAME": "tensorflow/serving/predict", "PREDICT_OUTPUTS": "outputs", "REGRESS_INPUTS": "inputs",
        "REGRESS_METHOD_NAME": "tensorflow/serving/regress", "REGRESS_OUTPUTS": "outputs",
    },
    "tag_constants": {"GPU": "gpu", "SERVING": "serve", "TPU": "tpu", "TRAINING": "train"},
}  # fmt: skip
_V1_CONSTANTS = {"LEGACY_INIT_OP_KEY": "legacy_init_op", "MAIN_OP_KEY": "saved_model_main_op"}

for _namespace, _names in _CONSTANTS.items():
    for _name, _value in _names.items():
        _v1 = [f"saved_model.{_name}", f"saved_model.{_namespace}.{_name}"]
        export(f"saved_model.{_name}", v1=_v1)(_value)
for _name, _value in _V1_CONSTANTS.items():
    export(v1=[f"saved_model.{_name}", f"saved_model.constants.{_name}"])(_value)

MAIN_OP_KEY, LEGACY_INIT_OP_KEY = "saved_model_main_op", "legacy_init_op"
INIT_OP_SIGNATURE = "__saved_model_init_op"
ASSETS_KEY = "saved_model_assets"
MODEL_FILE, TEXT_FILE, FINGERPRINT_FILE = "saved_model.pb", "saved_model.pbtxt", "fingerprint.pb"

_SCHEMA = (
    "message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }"
)
_FINGERPRINT_SCHEMA = """
message FingerprintDef {
  uint64 saved_model_checksum = 1; uint64 graph_def_program_hash = 2; uint64 signature_def_hash = 3;
  uint64 saved_object_graph_hash = 4; uint64 checkpoint_hash = 5; VersionDef version = 6; string uuid = 7;
}
"""


def saved_model_class() -> Any:
    """The class of SavedModel messages."""
    return message_classes("saved_model", _SCHEMA, ("meta_graph",)).SavedModel


def fingerprint_class() -> Any:
    """The class of FingerprintDef messages."""
    return message_classes("fingerprint", _FINGERPRINT_SCHEMA, ("versions",)).FingerprintDef


def variables_prefix(directory: str) -> str:
    """The prefix of the checkpoint with the values of a SavedModel's variables."""
    return os.path.join(directory, "variables", "variables")


# Reading.


@export("saved_model.contains_saved_model", v1=[])
def contains_saved_model(export_dir: Any) -> bool:
    """Whether a directory holds a SavedModel.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> tf.saved_model.contains_saved_model(tempfile.mkdtemp())
      False
    """
    if isinstance(export_dir, os.PathLike):
        export_dir = str(export_dir)
    if not isinstance(export_dir, str):
        return False
    return any(os.path.exists(os.path.join(export_dir, name)) for name in (MODEL_FILE, TEXT_FILE))


export(
    v1=[
        "saved_model.contains_saved_model",
        "saved_model.maybe_saved_model_directory",
        "saved_model.loader.maybe_saved_model_directory",
    ]
)(contains_saved_model)


def read_saved_model(directory: str) -> Any:
    """The SavedModel message of a directory.

    Raises:
      OSError: there is none, or the file is damaged.
    """
    from google.protobuf import message as protobuf
    from google.protobuf import text_format

    binary, text = os.path.join(directory, MODEL_FILE), os.path.join(directory, TEXT_FILE)
    result = saved_model_class()()
    try:
        if os.path.exists(binary):
            with open(binary, "rb") as file:
                result.ParseFromString(file.read())
        elif os.path.exists(text):
            with open(text, encoding="utf-8") as file:
                text_format.Parse(file.read(), result)
        else:
            raise OSError(
                f"SavedModel file does not exist at: {directory}{os.path.sep}{{{TEXT_FILE}|{MODEL_FILE}}}"
            )
    except (protobuf.DecodeError, text_format.ParseError) as error:
        damaged = binary if os.path.exists(binary) else text
        raise OSError(f"Cannot parse file {damaged}: {error}") from None
    if not result.meta_graphs:
        raise OSError(f"Cannot parse file {binary}: it holds no MetaGraph.")
    return result


# Writing.


@contextlib.contextmanager
def new_directory(directory: str) -> Iterator[str]:
    """A temporary directory whose files move to `directory` when the block ends without an error.

    A new directory appears at once and whole; in one that exists files are replaced, the message that makes it a
    SavedModel last.
    """
    directory = os.path.abspath(directory)
    parent = os.path.dirname(directory)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f".{os.path.basename(directory)}.", dir=parent)
    os.chmod(temporary, 0o755)
    try:
        yield temporary
        if not os.path.exists(directory):
            os.rename(temporary, directory)
        else:
            _move_into(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into(source: str, target: str) -> None:
    files = [
        os.path.relpath(os.path.join(folder, name), source)
        for folder, _, names in os.walk(source)
        for name in names
    ]
    for folder, _, _ in os.walk(source):
        os.makedirs(os.path.join(target, os.path.relpath(folder, source)), exist_ok=True)
    for name in sorted(files, key=lambda each: (each in (MODEL_FILE, TEXT_FILE), each)):
        os.replace(os.path.join(source, name), os.path.join(target, name))
    old = os.path.join(target, MODEL_FILE if TEXT_FILE in files else TEXT_FILE)
    if os.path.exists(old):
        os.remove(old)


def write_fingerprint(directory: str, message: Any) -> None:
    """Writes `fingerprint.pb`: hashes by which a program tells two SavedModels apart."""
    graph = message.meta_graphs[0]
    made = fingerprint_class()()
    made.saved_model_checksum = _hash(message.SerializeToString(deterministic=True))
    made.graph_def_program_hash = _hash(graph.graph_def.SerializeToString(deterministic=True))
    signatures = [
        key.encode() + graph.signature_def[key].SerializeToString(deterministic=True)
        for key in sorted(graph.signature_def)
    ]
    made.signature_def_hash = _hash(b"".join(signatures))
    made.saved_object_graph_hash = _hash(graph.object_graph_def.SerializeToString(deterministic=True))
    index = variables_prefix(directory) + ".index"
    if os.path.exists(index):
        with open(index, "rb") as file:
            made.checkpoint_hash = _hash(file.read())
    made.version.producer = 3
    made.uuid = str(uuid.uuid4().int >> 65)
    with open(os.path.join(directory, FINGERPRINT_FILE), "wb") as file:
        file.write(made.SerializeToString(deterministic=True))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")


@export("saved_model.experimental.Fingerprint", v1=[])
class Fingerprint:
    """The hashes of a SavedModel, from its file `fingerprint.pb`."""

    def __init__(
        self,
        saved_model_checksum: int | None = None,
        graph_def_program_hash: int | None = None,
        signature_def_hash: int | None = None,
        saved_object_graph_hash: int | None = None,
        checkpoint_hash: int | None = None,
        version: Any = None,
    ):
        self.saved_model_checksum = saved_model_checksum
        self.graph_def_program_hash = graph_def_program_hash
        self.signature_def_hash = signature_def_hash
        self.saved_object_graph_hash = saved_object_graph_hash
        self.checkpoint_hash = checkpoint_hash
        self.version = version

    @classmethod
    def from_proto(cls, proto: Any) -> Fingerprint:
        """The fingerprint in a FingerprintDef."""
        return cls(
            proto.saved_model_checksum,
            proto.graph_def_program_hash,
            proto.signature_def_hash,
            proto.saved_object_graph_hash,
            proto.checkpoint_hash,
            proto.version,
        )

    def singleprint(self) -> str:
        """The hashes in one text: the same for models that compute the same from the same values."""
        parts = (
            self.graph_def_program_hash,
            self.signature_def_hash,
            self.saved_object_graph_hash,
            self.checkpoint_hash,
        )
        return "/".join(map(str, parts))

    def _key(self) -> tuple:
        return (self.saved_model_checksum, self.singleprint())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"<Fingerprint {self.saved_model_checksum} {self.singleprint()}>"


@export("saved_model.experimental.read_fingerprint", v1=[])
def read_fingerprint(export_dir: str) -> Fingerprint:
    """The fingerprint of a SavedModel.

    Raises:
      FileNotFoundError: it has none.
    """
    from google.protobuf import message as protobuf

    path = os.path.join(export_dir, FINGERPRINT_FILE)
    made = fingerprint_class()()
    try:
        with open(path, "rb") as file:
            made.ParseFromString(file.read())
    except FileNotFoundError:
        raise FileNotFoundError(f"SavedModel Fingerprint Error: there is no {path}") from None
    except protobuf.DecodeError as error:
        raise RuntimeError(f"SavedModel Fingerprint Error: {path} is damaged: {error}") from None
    return Fingerprint.from_proto(made)


# Assets.


def copy_assets(paths: Sequence[str], directory: str) -> list[str]:
    """Copies files into `assets/`, and returns the name of each there; files of one name get different ones.

    Raises:
      FileNotFoundError: a file does not exist.
    """
    names: dict[str, str] = {}
    found = []
    for path in paths:
        if path not in names:
            base, extension = os.path.splitext(os.path.basename(path))
            name, count = base + extension, 0
            while name in names.values():
                count += 1
                name = f"{base}_{count}{extension}"
            os.makedirs(os.path.join(directory, "assets"), exist_ok=True)
            shutil.copyfile(path, os.path.join(directory, "assets", name))
            names[path] = name
        found.append(names[path])
    return found
