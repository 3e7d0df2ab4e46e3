# Every target sets itself up: it needs make and a Python >= 3.11 that has venv and pip, and nothing else.
# PYTHON=... chooses the interpreter; otherwise the first one found that is new enough.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$python" && break; done)

VENV := .venv
ORACLE_VENV := .venv-oracle
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KERAS_READY := $(VENV)/.keras-ready
# What Keras's tests use beside Keras: both engines get the same.
KERAS_PACKAGES := tensorboard pytest pytest-xdist pytest-timeout jax scikit-learn pandas requests torch grain orbax-checkpoint
ORACLE_READY := $(ORACLE_VENV)/.ready
TORCH_VENV := .venv-torch
TORCH_READY := $(TORCH_VENV)/.ready
JOBS ?= 2

# What the caller's shell has set must not reach the programs: they run with the defaults that a user gets.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP KERAS_BACKEND KERAS_HOME TF_CONFIG TF_USE_LEGACY_KERAS
unexport JAX_ENABLE_X64 JAX_COMPILATION_CACHE_DIR JAX_DISABLE_JIT XLA_FLAGS
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export MPLBACKEND := Agg

# Programs compiled by the tests stay in this tree, apart from the user's own cache.
test oracle bench keras keras-applications keras-agreement: export PENSTOCK_CACHE := $(CURDIR)/.cache/compiled
test oracle bench keras keras-applications keras-agreement: export JAX_PLATFORMS ?= cpu

.PHONY: run test lint types format oracle keras keras-applications keras-baseline keras-agreement libraries coverage kills namespaces scaling bench wheel asan gpu fuzz clean help
.DEFAULT_GOAL := help

help:  ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(READY)  ## train the convolutional network on handwritten digits, and draw the result
	$(BIN)/penstock run examples/digits_cnn.py

test: lint types  ## lint, type check, tests, and the examples in docstrings and README
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)
	$(BIN)/python -m conformance.keras --fast -n $(JOBS)

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy
	$(BIN)/mypy

format: $(READY)  ## let ruff rewrite the tree
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

oracle: $(READY) $(ORACLE_READY)  ## compare with TensorFlow 2.21, which gets a venv of its own
	$(BIN)/python -m oracle --tensorflow-python $(ORACLE_VENV)/bin/python $(ARGS)
	$(BIN)/python -m oracle.checkpoints --tensorflow-python $(ORACLE_VENV)/bin/python
	$(BIN)/python -m oracle.interchange --tensorflow-python $(ORACLE_VENV)/bin/python
	$(BIN)/python -m oracle.networks --tensorflow-python $(ORACLE_VENV)/bin/python
	$(BIN)/python -m oracle.distribution --tensorflow-python $(ORACLE_VENV)/bin/python

keras: $(KERAS_READY)  ## Keras's own tests on Penstock; writes docs/keras-conformance.md
	$(BIN)/python -m conformance.keras -n $(JOBS) $(ARGS)

keras-applications: $(KERAS_READY)  ## those of Keras's tests that build every large model
	$(BIN)/python -m conformance.keras -n $(JOBS) --record applications

keras-baseline: $(KERAS_READY) $(ORACLE_READY)  ## what TensorFlow gets for Keras's tests; writes conformance/keras/tensorflow.json
	$(ORACLE_VENV)/bin/python -m pip install --quiet $(KERAS_PACKAGES)
	$(BIN)/python -m conformance.keras -n $(JOBS) --tensorflow-python $(CURDIR)/$(ORACLE_VENV)/bin/python $(ARGS)

keras-agreement: $(KERAS_READY) $(ORACLE_READY)  ## models train alike on TensorFlow and Penstock, and read each other's files
	$(BIN)/python -m conformance.keras.agreement --tensorflow-python $(CURDIR)/$(ORACLE_VENV)/bin/python

libraries: $(READY)  ## libraries written for TensorFlow, each in a venv of its own; writes docs/libraries.md
	$(BIN)/python -m conformance.libraries $(ARGS)

kills: $(READY)  ## kill workers and servers of clusters, 20 times each: nothing hangs or is lost; writes docs/kills.md
	$(BIN)/python -m resilience --record $(ARGS)
	$(BIN)/python -m resilience.servers --record
	$(BIN)/python -m resilience.data_service --record

namespaces: $(READY)  ## clusters in network namespaces, on a bad network and cut off; writes docs/kills.md (root, or a user who may make them)
	$(BIN)/python -m resilience.namespaces --record $(ARGS)
	$(BIN)/python -m resilience.hosts_on_ray --record $(ARGS)

scaling: $(READY)  ## what distribution costs: one model on 1, 2, 4 devices and in 1, 2 processes; writes docs/scaling.md
	$(BIN)/penstock run benchmarks/scaling.py --devices 0 1 2 4 --record $(ARGS)
	$(BIN)/python benchmarks/worker_scaling.py --record $(ARGS)

coverage: $(READY)  ## which of the names in lists resolve; NAMES=FOLDER with tf2_names.txt and tf1_names.txt
	$(BIN)/python -m tools.write_coverage $(NAMES)

bench: $(READY) $(ORACLE_READY) $(TORCH_READY)  ## Penstock beside its peers, in one run; writes docs/benchmarks.md
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks --tensorflow-python $(ORACLE_VENV)/bin/python --torch-python $(TORCH_VENV)/bin/python $(ARGS)

# Every test of a native kernel, each file in a process of its own: 20 minutes where others use both cores, and no file more
# than 15. Python and JAX leak at exit by design, so leaks are not looked for.
ASAN_TESTS := $(shell find tests -name "test_native*.py") $(wildcard tests/runtime/test_fus*.py) tests/ops/image/test_resize_native.py \
    tests/data/test_late_images.py tests/autodiff/test_recurrent_cells.py tests/distribute/test_device_meetings.py

asan: $(READY)  ## the tests of native kernels, under AddressSanitizer
	$(BIN)/python -m pip install --quiet 'onednn-devel-cpu-gomp==2023.2.*'  # what pip builds with; see pyproject.toml
	CXXFLAGS="-fsanitize=address -g -O1 -fno-omit-frame-pointer" $(BIN)/python native/build.py $(CURDIR)/.cache/asan/libpenstock.so
	for tests in $(ASAN_TESTS); do \
	    PENSTOCK_NATIVE=$(CURDIR)/.cache/asan/libpenstock.so ASAN_OPTIONS=detect_leaks=0 PENSTOCK_CACHE=0 JAX_PLATFORMS=cpu \
	    LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	    timeout 900 $(BIN)/python -m pytest -n0 $(ARGS) $$tests || exit 1; \
	done

gpu: $(READY)  ## on a machine with a GPU: programs and ops give there what they give on the CPU
	$(BIN)/python -m pip install --quiet --editable '.[cuda]'
	$(BIN)/python -m accelerator --ops $(ARGS)

fuzz: $(READY)  ## the property tests, with other examples each time
	PENSTOCK_EXAMPLES=fuzz $(BIN)/python -m pytest -n $(JOBS) -m hypothesis tests $(ARGS)

wheel: $(READY)  ## build dist/*.whl
	$(BIN)/python -m build --wheel

clean:  ## remove the venvs, caches and everything built
	rm -rf $(VENV) $(ORACLE_VENV) $(TORCH_VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml $(wildcard native/*)
	$(call new_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --editable '.[examples,dev]'
	@touch $@

$(KERAS_READY): $(READY)
	$(BIN)/python -m pip install --quiet $(KERAS_PACKAGES)
	@touch $@

$(ORACLE_READY):
	$(call new_venv,$(ORACLE_VENV))
	$(ORACLE_VENV)/bin/python -m pip install --quiet 'tensorflow-cpu==2.21.*' 'keras>=3.15.1' tf_keras tensorboard
	@touch $@

$(TORCH_READY):
	$(call new_venv,$(TORCH_VENV))
	$(TORCH_VENV)/bin/python -m pip install --quiet 'torch==2.13.*' 'keras>=3.15.1' --extra-index-url https://download.pytorch.org/whl/cpu
	@touch $@

define new_venv
@test -n "$(PYTHON)" || { echo 'No Python >= 3.11 with venv and ensurepip found; say PYTHON=/path/to/python3' >&2; exit 1; }
@test -x $(1)/bin/python || { echo "Setting up $(1) with $(PYTHON) ..."; "$(PYTHON)" -m venv $(1); }
endef
