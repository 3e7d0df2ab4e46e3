"""The functions of `tensorflow.python.lib.io.file_io`, over `tf.io.gfile`."""

from __future__ import annotations

from typing import Any

from penstock.ops import gfile

FileIO = gfile.GFile
FileStatistics = gfile.FileStatistics
file_exists = file_exists_v2 = gfile.exists
delete_file = delete_file_v2 = gfile.remove
get_matching_files = get_matching_files_v2 = gfile.glob
create_dir = create_dir_v2 = gfile.mkdir
recursive_create_dir = recursive_create_dir_v2 = gfile.makedirs
copy = copy_v2 = gfile.copy
rename = rename_v2 = gfile.rename
delete_recursively = delete_recursively_v2 = gfile.rmtree
is_directory = is_directory_v2 = gfile.isdir
list_directory = list_directory_v2 = gfile.listdir
walk = walk_v2 = gfile.walk
stat = stat_v2 = gfile.stat
join = gfile.join


def read_file_to_string(filename: Any, binary_mode: bool = False) -> Any:
    """The contents of a file, as text or as bytes."""
    with gfile.GFile(filename, "rb" if binary_mode else "r") as file:
        return file.read()


def write_string_to_file(filename: Any, file_content: Any) -> None:
    """Writes text or bytes to a file, which appears at once."""
    data = file_content.encode() if isinstance(file_content, str) else file_content
    with gfile.replacing(filename) as file:
        file.write(data)


atomic_write_string_to_file = write_string_to_file
