"""`docs/keras-conformance.md`: what Keras's tests get on Penstock, beside TensorFlow."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from conformance.keras.outcomes import module_of
from conformance.keras.record import Record

_HEAD = """# Keras's own tests on Penstock

Written by `make keras` and `make keras-applications`; do not edit. Keras {keras}, unmodified, with `KERAS_BACKEND=tensorflow`:
Penstock {penstock} beside TensorFlow {tensorflow}, on Python {python}. {differing}
Penstock took {here}; TensorFlow took {there}.

* {agree} of the {total} tests that pass on TensorFlow pass on Penstock.
* {named} do not pass here and pass there, and are named with their reason in `conformance/keras/exceptions.toml`.
* {unexpected} do not pass here and pass there, and should ({skipped} of them are skipped here).
* {better} pass here and fail or are skipped there.
"""


def unexpected(here: Record, there: Record, exceptions: dict[str, str]) -> dict[str, str]:
    """What does not agree with TensorFlow -> why.

    Each test that passes there, not here, and is no exception; each module of which not as many tests ran here as
    there; each exception without need.
    """
    elsewhere = there.not_passed()
    bad = dict.fromkeys(here.skipped, "is skipped") | here.failed
    bad = {name: cause for name, cause in bad.items() if name not in elsewhere and name not in exceptions}
    for module, row in here.modules.items():
        if module not in there.modules:
            bad.setdefault(module, "TensorFlow has not run it")
        elif sum(row) != sum(there.modules[module]):
            bad.setdefault(module, f"{sum(row)} tests ran, and {sum(there.modules[module])} on TensorFlow")
    for name in exceptions:
        if module_of(name) in here.modules and name not in here.not_passed():
            bad[name] = "is named in exceptions.toml, and passes"
    return dict(sorted(bad.items()))


def write(path: Path, here: Record, there: Record, exceptions: dict[str, str]) -> None:
    """Writes the page, whole or not at all."""
    aside = path.with_suffix(".tmp")
    aside.write_text(_page(here, there, exceptions))
    os.replace(aside, path)


def _page(here: Record, there: Record, exceptions: dict[str, str]) -> str:
    """The page, as Markdown."""
    elsewhere, not_passed = there.not_passed(), here.not_passed()
    total = sum(row[0] for module, row in there.modules.items() if module in here.modules)
    bad = unexpected(here, there, exceptions)
    named = sorted(name for name in exceptions if name in not_passed)
    lines = [
        _HEAD.format(
            keras=here.packages["keras"],
            penstock=here.packages["penstock"],
            tensorflow=_tensorflow(there),
            python=here.packages["python"],
            differing=_differing(here, there),
            here=_times(here),
            there=_times(there),
            agree=total - len(not_passed - elsewhere),
            total=total,
            named=len(named),
            unexpected=len(bad),
            skipped=len({*here.skipped} - elsewhere - {*exceptions}),
            better=sum(module_of(name) in here.modules for name in elsewhere - not_passed),
        ),
        "| folder | passed | failed | skipped | TensorFlow: passed | failed | skipped |",
        "| --- |" + " ---: |" * 6,
    ]
    ours, theirs = _by_folder(here), _by_folder(there)
    nothing = [0, 0, 0]
    for folder, row in sorted(ours.items()):
        lines.append(_row(folder, row, theirs.get(folder, nothing)))
    both = [[*map(sum, zip(nothing, *(rows.get(each, nothing) for each in ours)))] for rows in (ours, theirs)]
    lines.append(_row("**all**", *both))
    if bad:
        lines += ["", "## Does not agree with TensorFlow", ""]
        lines += [f"* `{name}`: {cause}" for name, cause in bad.items()]
    if named:
        lines += ["", "## Exceptions", ""]
        lines += [f"* `{name}`: {exceptions[name]}" for name in named]
    neither = {name: cause for name, cause in here.failed.items() if name in elsewhere}
    if neither:
        lines += ["", "## Fail here, and do not pass on TensorFlow", ""]
        lines += [f"* `{name}`: {cause}" for name, cause in neither.items()]
    return "\n".join(lines) + "\n"


def _by_folder(record: Record) -> dict[str, list[int]]:
    """`layers/rnn` -> how many passed, failed, were skipped."""
    table: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for module, row in record.modules.items():
        folder = "/".join(module.split(".")[:-1]) or "."
        table[folder] = [a + b for a, b in zip(table[folder], row)]
    return dict(table)


def _differing(here: Record, there: Record) -> str:
    """A sentence on the packages that are not the same on both sides."""
    names = sorted({*here.packages, *there.packages} - {"penstock", "tensorflow", "tensorflow-cpu"})
    apart = [
        f"{name} ({here.packages.get(name, 'none')}, there {there.packages.get(name, 'none')})"
        for name in names
        if here.packages.get(name) != there.packages.get(name)
    ]
    if not apart:
        return "The other packages have the same versions."
    return f"The other packages have the same versions, but for {', '.join(apart)}."


def _tensorflow(there: Record) -> str:
    return there.packages.get("tensorflow") or there.packages["tensorflow-cpu"]


def _times(record: Record) -> str:
    return ", ".join(
        f"{minutes:.0f} minutes" + ("" if what == "all" else f" (`{what}`)")
        for what, minutes in sorted(record.minutes.items())
    )


def _row(folder: str, here: list[int], there: list[int]) -> str:
    return f"| {folder} | " + " | ".join(str(each) for each in [*here, *there]) + " |"
