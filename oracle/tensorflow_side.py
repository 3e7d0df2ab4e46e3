"""What the oracle's Python runs: `python -m oracle.tensorflow_side REQUESTS ANSWERS` answers from where ANSWERS ends."""

from __future__ import annotations

import sys
from pathlib import Path

from oracle.evaluation import answers
from oracle.exchange import append, read


def main(requests_path: str, answers_path: str) -> None:
    import tensorflow as tf

    target = Path(answers_path)
    done = sum(1 for _ in read(target))
    for each in answers(tf, list(read(Path(requests_path)))[done:], "TensorFlow"):
        append(target, each)


if __name__ == "__main__":
    main(*sys.argv[1:])
