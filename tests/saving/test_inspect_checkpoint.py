"""What `inspect_checkpoint` prints."""

import pathlib

import pytest

from penstock.saving.inspect_checkpoint import print_tensors_in_checkpoint_file

PATH = pathlib.Path(__file__).parent / "fixtures" / "variables"

CASES = {
    "one": (("net/n", False), {}, "tensor: net/n (int64) [2]\n[5 6]\n# Total number of params: 16\n"),
    "names": (
        ("", False, True),
        {},
        "tensor: net/n (int64) [2]\ntensor: net/rows (float32) [4, 2]\ntensor: net/w (float32) [2, 3]\n"
        "# Total number of params: 16\n",
    ),
    "a count": (("net/n", False), {"count_exclude_pattern": "net/r"}, "[5 6]\n# Total number of params: 8\n"),
    "none": (("", False), {}, "net/w (DT_FLOAT) [2,3]\n\n# Total number of params: 16\n"),
}


@pytest.mark.parametrize("arguments, options, expected", CASES.values(), ids=CASES)
def test_what_is_printed(capsys, arguments, options, expected):
    print_tensors_in_checkpoint_file(PATH, *arguments, **options)
    assert capsys.readouterr().out.endswith(expected)
