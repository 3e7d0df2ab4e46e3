import pytest

import penstock as tf
from penstock.data_service.configuration import policy_of

SERVICE = tf.data.experimental.service


@pytest.mark.parametrize(
    ("mode", "policy"),
    [("parallel_epochs", "OFF"), ("distributed_epoch", "DYNAMIC"), (SERVICE.ShardingPolicy.HINT, "HINT")],
)
def test_a_processing_mode_says_a_policy(mode, policy):
    assert policy_of(mode) is SERVICE.ShardingPolicy[policy]


def test_defaults_are_those_of_tensorflow():
    assert SERVICE.DispatcherConfig()[:5] == (0, "grpc", None, False, None)
    assert SERVICE.WorkerConfig("localhost:1")[:4] == ("localhost:1", "localhost:%port%", 0, "grpc")


ADDRESS = "grpc://localhost:1"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SERVICE.distribute("some", ADDRESS), "processing mode should be"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, compression="gzip"), "compression"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, job_name=3), "must be a string"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, job_name=""), "must not be empty"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, consumer_index=0), "both be set"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, "j", 2, 2), r"\[0, 2\)"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, None, 0, 2), "`job_name` must be set"),
        (lambda: SERVICE.distribute("parallel_epochs", ADDRESS, target_workers="all"), "target_workers"),
        (
            lambda: SERVICE.distribute("parallel_epochs", ADDRESS, cross_trainer_cache="a"),
            "CrossTrainerCache",
        ),
        (lambda: SERVICE.distribute("parallel_epochs", 3)(tf.data.Dataset.range(1)), "must be a string"),
        (lambda: SERVICE.distribute("parallel_epochs", "")(tf.data.Dataset.range(1)), "must not be empty"),
        (lambda: SERVICE.distribute("parallel_epochs", "grpc://a")(tf.data.Dataset.range(1)), "host:port"),
        (lambda: SERVICE.CrossTrainerCache(""), "non-empty trainer ID"),
        (lambda: SERVICE.DispatchServer(SERVICE.DispatcherConfig(fault_tolerant_mode=True)), "work dir"),
        (lambda: SERVICE.WorkerServer(SERVICE.WorkerConfig(None)), "dispatcher_address"),
        (lambda: SERVICE.DispatcherConfig(worker_max_concurrent_snapshots=1), "snapshots"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
