"""`penstock names [FILE]`: the public names, or which of those listed in a file resolve here.

Each line of the file is `kind<TAB>tf.some.name` (the kind is class, func or const) or just the name.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


def main(arguments: list[str]) -> int:
    """Prints the names, or a count for each namespace of a file; the exit status is 1 with --all where a name is missing."""
    parser = argparse.ArgumentParser(
        prog="penstock names", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", type=Path, nargs="?", help="a list of names; without it all names are printed"
    )
    parser.add_argument(
        "--missing", action="store_true", help="print the names that do not resolve, and nothing else"
    )
    parser.add_argument("--all", action="store_true", help="fail unless every name resolves")
    options = parser.parse_args(arguments)
    if options.file is None:
        if options.missing or options.all:
            parser.error("--missing and --all need a file with names")
        print("\n".join(public_names()))
        return 0
    names = read_names(options.file.read_text("utf-8"))
    missing = missing_names(names)
    if options.missing:
        for name in missing:
            print(name)
    else:
        _print_counts(names, missing)
    return 1 if options.all and missing else 0


def public_names() -> list[str]:
    """All public names of functions, classes and constants, those of TensorFlow 1 below `tf.compat.v1`."""
    import penstock  # noqa: F401 - it fills the table
    from penstock.engine.export import EXPORTS

    return sorted(
        f"tf.{name}" if version == "v2" else f"tf.compat.v1.{name}"
        for version, names in EXPORTS.items()
        for name in names
    )


def read_names(text: str) -> list[str]:
    r"""The names in a names file, without the leading `tf.`.

    Example:
      >>> read_names("# comment\nfunc\ttf.math.add\nclass\ttf.Tensor\n")
      ['math.add', 'Tensor']
    """
    lines = (line.strip() for line in text.splitlines())
    return [line.split()[-1].removeprefix("tf.") for line in lines if line and not line.startswith("#")]


def missing_names(names: Iterable[str]) -> list[str]:
    """Those of `names` that do not resolve from `tf`, in their order."""
    import penstock

    return [name for name in names if not resolves(penstock, name)]


def resolves(root: ModuleType, name: str) -> bool:
    """True if the dotted `name` can be reached from `root`."""
    thing = root
    for part in name.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            return False
    return True


def _print_counts(names: list[str], missing: list[str]) -> None:
    listed, lacking = Counter(map(_namespace, names)), Counter(map(_namespace, missing))
    for namespace, count in sorted(listed.items()):
        print(f"{namespace:40} {count - lacking[namespace]:5} of {count:5}")
    found = len(names) - len(missing)
    print(f"{'all':40} {found:5} of {len(names):5}  ({found / max(len(names), 1):.1%})")


def _namespace(name: str) -> str:
    return ".".join(["tf", *name.split(".")[:-1]])
