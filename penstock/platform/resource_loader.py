"""`tf.compat.v1.resource_loader`: files that lie beside the calling code."""

from __future__ import annotations

import os
import sys

from penstock.engine.export import export
from penstock.io.filesystem import local_path, os_errors


def _folder_of_caller() -> str:
    return os.path.dirname(os.path.abspath(sys._getframe(2).f_code.co_filename))


@export(v1=["resource_loader.get_data_files_path"])
def get_data_files_path() -> str:
    """The directory of the file that calls this."""
    return _folder_of_caller()


@export(v1=["resource_loader.get_root_dir_with_all_resources"])
def get_root_dir_with_all_resources() -> str:
    """The directory of the file that calls this."""
    return _folder_of_caller()


@export(v1=["resource_loader.get_path_to_datafile"])
def get_path_to_datafile(path: str) -> str:
    """The path of a file given relative to the directory of the file that calls this."""
    return os.path.join(_folder_of_caller(), path)


@export(v1=["resource_loader.load_resource"])
def load_resource(path: str) -> bytes:
    """The contents of a file given relative to the directory of the file that calls this.

    Raises:
      NotFoundError: there is none.
    """
    full = os.path.join(_folder_of_caller(), path)
    with os_errors(full), open(full, "rb") as file:
        return file.read()


@export(v1=["resource_loader.readahead_file_path"])
def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """The path itself: the operating system reads ahead on its own."""
    return local_path(path)
