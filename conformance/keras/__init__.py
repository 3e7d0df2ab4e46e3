"""Keras 3's own tests, those that its wheel carries, run under `penstock run` with `KERAS_BACKEND=tensorflow`.

    make keras                                  all but the folder of large models, and docs/keras-conformance.md
    make keras-applications                     that folder, into the same page
    python -m conformance.keras --fast          the fixed part that `make test` runs
    python -m conformance.keras ops layers/rnn  some folders or files

`tensorflow.json` says what TensorFlow 2.21 gets for the same tests on the same packages (`make keras-baseline` writes it,
with `ARGS` for some folders only), and `penstock.json` what Penstock gets: the page is made of these two. `exceptions.toml`
names the tests that pass there and are not expected to pass here, each with its reason.

`make keras-agreement` compares trained models and files (`agreement.py`) and writes docs/keras-agreement.md.
"""
