"""What one engine gets for Keras's tests, kept as JSON beside this file: counts by module, and who did not pass."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from conformance.keras.outcomes import Outcome, module_of

STATUSES = ("passed", "failed", "skipped")


@dataclass
class Record:
    """The outcomes of runs with the same packages.

    `packages`: name -> version, Python's too. `minutes`: what was run (`all`, or paths) -> how long it took.
    `modules`: module -> how many of its tests passed, failed and were skipped. `failed`: test -> the error's last line.
    """

    packages: dict[str, str] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    modules: dict[str, list[int]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, outcomes: dict[str, Outcome]) -> Record:
        """The record of one run."""
        counts = Counter((module_of(name), each.status) for name, each in outcomes.items())
        return cls(
            modules={
                module: [counts[module, status] for status in STATUSES]
                for module in sorted({module for module, _ in counts})
            },
            failed={name: each.cause for name, each in sorted(outcomes.items()) if each.status == "failed"},
            skipped=sorted(name for name, each in outcomes.items() if each.status == "skipped"),
        )

    @classmethod
    def load(cls, path: Path) -> Record:
        """The record of a file; an empty one where there is no file."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def save(self, path: Path) -> None:
        """Writes the record, whole or not at all."""
        aside = path.with_suffix(".tmp")
        text = json.dumps(asdict(self), indent=1)
        for row in self.modules.values():  # one line each
            text = text.replace("[\n" + ",\n".join(f"   {n}" for n in row) + "\n  ]", json.dumps(row))
        aside.write_text(text + "\n")
        os.replace(aside, path)

    def without(self, paths: list[str]) -> Record:
        """The record without the modules that lie under `paths` of `keras/src`."""
        modules = {each: row for each, row in self.modules.items() if not covers(paths, each)}
        return Record(
            self.packages,
            self.minutes,
            modules,
            {name: cause for name, cause in self.failed.items() if module_of(name) in modules},
            [name for name in self.skipped if module_of(name) in modules],
        )

    def joined(self, other: Record) -> Record:
        """This record with another one's modules, of which it has none."""
        return Record(
            other.packages,
            self.minutes | other.minutes,
            dict(sorted((self.modules | other.modules).items())),
            dict(sorted((self.failed | other.failed).items())),
            sorted({*self.skipped, *other.skipped}),
        )

    def not_passed(self) -> set[str]:
        """The names of the tests that failed or were skipped."""
        return {*self.failed, *self.skipped}


def covers(paths: list[str], module: str) -> bool:
    """Whether a module lies under one of the folders or files of `keras/src`."""
    prefixes = [each.removesuffix(".py").strip("/").replace("/", ".") for each in paths]
    return any(module == each or module.startswith(each + ".") for each in prefixes)
