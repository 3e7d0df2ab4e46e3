"""Keras 3's own tests, those that its wheel carries, run under `penstock run` with `KERAS_BACKEND=tensorflow`.

    make keras                                  all but the folder of large models, and docs/keras-conformance.md
    python -m conformance.keras --fast          the fixed part that `make test` runs
    python -m conformance.keras ops layers/rnn  some folders or files

`tensorflow.json` says what TensorFlow 2.21 gets for the same tests on the same packages (`--tensorflow-python` writes
it); `exceptions.toml` names the tests that pass there and are not expected to pass here, each with its reason.
"""
