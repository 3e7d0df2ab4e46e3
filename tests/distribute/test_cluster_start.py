"""What the processes of a cluster find out before they work together."""

import types

import pytest

from penstock.distribute import cluster_start
from penstock.types import errors


def workers(told):
    """Two workers, of which this one is told what both say."""
    rendezvous = types.SimpleNamespace(is_remote=False, names=("worker 0 (a:1)", "worker 1 (b:1)"))
    return types.SimpleNamespace(rendezvous=rendezvous, texts=lambda place, own: told)


def test_a_host_name_that_others_cannot_reach_is_told():
    told = ["False a 10.0.0.1", "True b 127.0.1.1"]
    with pytest.raises(
        errors.FailedPreconditionError, match=r"worker 1 \(b:1\): its host's name, 'b', stands for 127.0.1.1"
    ):
        cluster_start._check_host_names(workers(told))


@pytest.mark.parametrize("told", [["False a 127.0.0.1"] * 2, ["False a 10.0.0.1", "True b fe80::1%eth0"]])
def test_host_names_that_will_do(told):
    cluster_start._check_host_names(workers(told))
