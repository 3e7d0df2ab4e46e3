"""Writes `docs/coverage.md`: which of TensorFlow's public names resolve, by namespace, and why the others do not.

    python -m tools.write_coverage FOLDER     (`make coverage NAMES=FOLDER`)

FOLDER holds `tf2_names.txt` and `tf1_names.txt`, lists as `penstock names` reads them.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

from penstock.cli.names import missing_names, read_names

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"

_EAGER_ELSEWHERE = "single eager operations on other processes, which are actors of Ray here"
_CPP = "compiled against TensorFlow's C++ headers"
_QUANTIZER = "a converter of TensorFlow's StableHLO quantizer"

# Beginnings of names (also of those in `compat.v1`) that are left out, and why; the first that fits counts.
REASONS = {
    "security.fuzzing": "TensorFlow's own fuzzing tools",
    "tpu.": "TPU embedding and the TPU runtime of TensorFlow",
    "lite.": "TensorFlow Lite is a product of its own",
    "experimental.tensorrt": "a bridge to NVIDIA's TensorRT",
    "quantization.experimental": _QUANTIZER,
    "errors.raise_exception_on_not_ok_status": "the status objects of TensorFlow's C API",
    "experimental.register_filesystem_plugin": f"file systems {_CPP}",
    "load_file_system_library": f"file systems {_CPP}",
    "load_op_library": f"ops {_CPP}",
    "load_library": f"ops {_CPP}",
    "profiler.AdviceProto": "advice about TensorFlow's own kernels",
    "profiler.advise": "advice about TensorFlow's own kernels",
    "profiler.experimental": "remote profiling of TensorFlow servers",
    "config.experimental_connect_to": _EAGER_ELSEWHERE,
    "config.experimental.ClusterDeviceFilters": _EAGER_ELSEWHERE,
}
LISTS = {"TensorFlow 2.21": "tf2_names.txt", "TensorFlow 2.21's `tf.compat.v1`": "tf1_names.txt"}


def page(folder: Path) -> str:
    """The page, as Markdown."""
    lines = [
        "# Which of TensorFlow's names resolve",
        "",
        "Written by `make coverage NAMES=FOLDER`; do not edit.",
        "",
    ]
    for title, file in LISTS.items():
        names = read_names((folder / file).read_text("utf-8"))
        missing = missing_names(names)
        lines += [f"## {title}", ""]
        lines += [
            f"{len(names) - len(missing)} of {len(names)} names ({1 - len(missing) / len(names):.1%}).",
            "",
        ]
        lines += ["| namespace | names | resolve |", "| --- | ---: | ---: |"]
        listed, lacking = Counter(map(_namespace, names)), Counter(map(_namespace, missing))
        lines += [
            f"| `{each}` | {count} | {count - lacking[each]} |" for each, count in sorted(listed.items())
        ]
        lines += ["", "Left out:", ""]
        groups: dict[str, list[str]] = {}
        for name in missing:
            groups.setdefault(_reason(name), []).append(name)
        lines += [
            f"* {reason}: " + ", ".join(f"`{each}`" for each in group) for reason, group in groups.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _namespace(name: str) -> str:
    return ".".join(["tf", *name.split(".")[:-1]])


def _reason(name: str) -> str:
    name = name.removeprefix("compat.v1.")
    return next((why for start, why in REASONS.items() if name.startswith(start)), "not built yet")


def main() -> int:
    """Writes the page; returns the exit status."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    aside = PAGE.with_suffix(".tmp")
    aside.write_text(page(Path(sys.argv[1])), "utf-8")
    os.replace(aside, PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
