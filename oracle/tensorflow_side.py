"""What the oracle's Python runs: `python -m oracle.tensorflow_side REQUESTS ANSWERS` answers from where ANSWERS ends.

A case that takes longer than `LIMIT` ends the process, as one that crashes it does: TensorFlow blocks for ever on some
bad input.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from oracle.evaluation import answers
from oracle.exchange import append, read

LIMIT = 120  # seconds for one case


def main(requests_path: str, answers_path: str) -> None:
    import tensorflow as tf

    target = Path(answers_path)
    done = sum(1 for _ in read(target))
    signal.alarm(LIMIT)
    for each in answers(tf, list(read(Path(requests_path)))[done:], "TensorFlow"):
        append(target, each)
        signal.alarm(LIMIT)
    signal.alarm(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
