"""A disk that is really full: a file system of two megabytes, where this process may mount one."""

import os
import subprocess

import pytest

import penstock as tf

Dataset = tf.data.Dataset


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


ELEMENTS = {
    "large": Dataset.range(64).map(lambda i: tf.fill([100000], tf.cast(i, tf.uint8))),
    "many": Dataset.range(400000),
}
WRITERS = {
    "cache": lambda dataset, place: sum(1 for _ in dataset.cache(f"{place}/cache")),
    "snapshot": lambda dataset, place: sum(1 for _ in dataset.snapshot(f"{place}/snapshot")),
    "save": lambda dataset, place: dataset.save(f"{place}/saved"),
}


@pytest.mark.parametrize("elements", ELEMENTS)
@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_nothing(small_disk, write, elements):
    with pytest.raises(tf.errors.ResourceExhaustedError, match=rf"{small_disk}/\S+; No space left on device"):
        WRITERS[write](ELEMENTS[elements], small_disk)
    assert [name for _, _, names in os.walk(small_disk) for name in names] == []
    WRITERS[write](Dataset.range(3), small_disk)
