"""Where actors are on a Ray cluster."""

import types

import pytest

from penstock.cluster import ray_session


class Started:
    """Stands for the class of an actor: keeps what it is started with."""

    def __init__(self):
        self.options_given = {}

    def options(self, **options):
        self.options_given = options
        return self

    def remote(self, *args):
        return self.options_given


@pytest.fixture
def machine(monkeypatch):
    """The id of this machine in the cluster."""
    here = types.SimpleNamespace(get_node_id=lambda: "ab" * 28)
    cluster = types.SimpleNamespace(remote=lambda cls: cls, get_runtime_context=lambda: here)
    monkeypatch.setattr(ray_session, "ray", lambda: cluster)
    return here.get_node_id()


def test_actors_are_on_the_machine_of_who_starts_them(machine):
    given = ray_session.actor(Started(), "task")
    assert (given["scheduling_strategy"].node_id, given["scheduling_strategy"].soft) == (machine, False)
    assert given["name"].startswith("task@")


def test_actors_are_spread_where_they_may_be_anywhere(machine):
    assert ray_session.actor(Started(), "task", anywhere=True)["scheduling_strategy"] == "SPREAD"
