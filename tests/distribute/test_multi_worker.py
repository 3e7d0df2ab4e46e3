"""`MultiWorkerMirroredStrategy`: two and four processes do what one does, and say who is missing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock.engine import native

CHECKS = Path(__file__).parent / "worker_checks.py"


def launch(workers, check, *arguments, **environment):
    """Starts a check on so many workers; the process of `penstock launch`."""
    command = [
        sys.executable,
        "-m",
        "penstock",
        "launch",
        "--workers",
        str(workers),
        str(CHECKS),
        check,
        *arguments,
    ]
    variables = {**os.environ, "PENSTOCK_START_TIMEOUT": "120", **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def results(process, status=0):
    """What each worker printed, in their order, where the cluster ends with a status."""
    out, err = process.communicate()
    assert process.returncode == status, err
    return printed(out)


def printed(out):
    """What each worker printed as JSON."""
    found = {}
    for line in out.splitlines():
        name, _, text = line.partition("]")
        if text.lstrip().startswith(("{", "[[", "[3", "[2")) and "[Gloo]" not in text:
            found[name] = json.loads(text)
    return [found[name] for name in sorted(found)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def two(folder):
    """The results of all checks on two workers, which are warned in the end, save, and exit with 42."""
    return results(launch(2, "run_all", folder), status=42)


@pytest.fixture(scope="module")
def four():
    """Status and output of four workers that train, and lose one."""
    process = launch(4, "train_and_lose_a_worker")
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def over_sockets():
    """Those of training on two workers that share no memory."""
    return results(launch(2, "over_sockets", PENSTOCK_SHARED_MEMORY="0"))


@pytest.fixture(scope="module")
def with_devices(two, folder):
    """Two workers with two devices each, which train, and go on from the checkpoint that `two` saved."""
    return results(launch(2, "train_and_resume", folder, DEVICES="2"))


@pytest.fixture(scope="module")
def one():
    """Those of training in one process, without a cluster."""
    command = [sys.executable, "-m", "penstock", "run", str(CHECKS), "alone"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_every_process_has_a_place_and_one_is_the_chief(two):
    assert [each["place"] for each in two] == [
        [2, True, ["/job:worker/replica:0/task:0/device:CPU:0"]],
        [2, False, ["/job:worker/replica:0/task:1/device:CPU:0"]],
    ]


def test_variables_begin_with_the_value_of_the_chief(two):
    assert [each["variable_of_the_chief"] for each in two] == [[7.0, 7.0]] * 2


@pytest.mark.parametrize("kind", ["traced", "eager"])
def test_replicas_meet(two, kind):
    rows = [] if kind == "traced" else [1.0, 2.0, 2.0]
    agreed = [3.0, 1.5, rows, 3.0, 1.5, 1.0, 3.0]
    assert [each[kind] for each in two] == [[0, *agreed], [1, *agreed]]


def test_values_are_reduced_and_gathered_over_processes(two):
    for each in two:
        assert each["reductions"] == [3.0, pytest.approx(9 / 5), [1.0, 2.0, 1.0, 2.0, 3.0], 3.0]


def test_a_large_matrix_is_updated_with_the_factors_of_its_gradient(two, one):
    expected, _ = one["large_update"]
    in_one_pass = native.library() is not None
    for each in two:
        assert each["large_update"] == [pytest.approx(expected, rel=1e-4), in_one_pass]


def test_workers_without_shared_memory_train_as_one(over_sockets, one):
    for each in over_sockets:
        np.testing.assert_allclose(each["train"], one["train"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(each["large_update"][0], one["large_update"][0], rtol=1e-4)
        np.testing.assert_allclose(each["shared_matrix"][0], one["shared_matrix"][0], rtol=1e-4)
        assert each["shared_matrix"][-1] == "State"


def test_a_matrix_in_shared_memory_is_whole_for_all_and_may_be_assigned(two, one):
    losses, norms, moments, *_ = one["shared_matrix"]
    kind = "State" if native.library() is None else "SharedState"
    for each in two:
        found = each["shared_matrix"]
        np.testing.assert_allclose(found[0], losses, rtol=1e-4)
        np.testing.assert_allclose(found[1], norms, rtol=1e-5)
        assert found[2:] == [pytest.approx(moments, rel=1e-4), True, kind]


def test_the_gradient_of_an_all_reduce_sums_over_processes(two):
    assert [each["gradient_of_all_reduce"] for each in two] == [33.0, 43.0]


def test_a_step_with_a_host_op_meets_on_the_host(two):
    assert [each["host_op"] for each in two] == [30.0, 30.0]


def test_processes_draw_different_random_numbers(two):
    assert two[0]["random_numbers"] != two[1]["random_numbers"]


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ("AUTO", [[0, 1], [4, 5]], [[2, 3], [6]]),
        ("OFF", [[0, 1], [2, 3], [4, 5], [6]], [[0, 1], [2, 3], [4, 5], [6]]),
        ("HINT", [[0, 2], [4, 6]], [[1, 3], [5, 7]]),
        ("fixed", [[0, 1], [4, 5]], [[2, 3], [6, 7]]),
    ],
)
def test_batches_are_divided_by_the_policy(two, policy, first, second):
    assert [each["batches"][policy] for each in two] == [first, second]


def test_files_are_divided_and_empty_batches_fill_up(two):
    assert [each["files"] for each in two] == [[["00"], ["01"], ["20"], ["21"]], [["10"], ["11"], [], []]]


def test_a_dataset_function_knows_its_pipeline(two):
    assert [each["from_function"] for each in two] == [[[0, 1], [2]], [[10, 11], [12]]]


def test_training_goes_as_in_one_process(two, one):
    """50 full batches and an uneven last one."""
    for each in two:
        np.testing.assert_allclose(each["train"], one["train"], rtol=1e-5, atol=1e-6)


def test_fit_evaluate_and_predict_go_as_in_one_process(two, one):
    for each in two:
        np.testing.assert_allclose(each["fit"], one["fit"], rtol=1e-5, atol=1e-5)


def test_four_workers_train_as_one(four, one):
    found = printed(four[1])
    assert len(found) == 4, four[2]
    for each in found:
        np.testing.assert_allclose(each, one["train"], rtol=1e-5, atol=1e-6)


def test_two_workers_with_two_devices_train_as_one(with_devices, one):
    for each in with_devices:
        np.testing.assert_allclose(each["train"], one["train"], rtol=1e-5, atol=1e-6)


def test_the_loss_of_a_worker_ends_the_others_with_its_name(four):
    status, out, err = four
    assert "UnavailableError worker 1" in out, err
    assert status in (1, 128 + signal.SIGKILL)


def test_a_worker_that_never_comes_is_named():
    config = {"cluster": {"worker": ["localhost:0", "localhost:1"]}, "task": {"type": "worker", "index": 1}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PENSTOCK_START_TIMEOUT": "0.5"}
    command = [sys.executable, "-c", "import penstock as tf; tf.distribute.MultiWorkerMirroredStrategy()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "DeadlineExceededError: worker 1 (localhost:1) waited for worker 0 (localhost:0)" in done.stderr


def test_a_warned_worker_has_all_save_and_resume(with_devices):
    first, second = (each["preempted"] for each in with_devices)
    assert first == second
    assert first[0] == [5, 5]
    assert first[1] == [8, pytest.approx(8 * 1.5)]
