"""`tf.distribute.cluster_resolver` and `tf.train.ClusterSpec`: where clusters are described."""

import json
import os
from types import SimpleNamespace

import pytest

import penstock as tf

resolvers = tf.distribute.cluster_resolver


def test_a_cluster_spec_goes_to_a_message_and_back():
    spec = tf.train.ClusterSpec({"worker": ["a:1", "b:1"], "ps": {1: "c:1"}})
    assert spec.as_dict() == {"worker": ["a:1", "b:1"], "ps": {1: "c:1"}}
    assert spec.job_tasks("ps") == [None, "c:1"]
    assert tf.train.ClusterSpec(spec.as_cluster_def()) == spec
    server = tf.train.ServerDef(cluster=spec.as_cluster_def(), job_name="worker", task_index=1)
    assert server.cluster.job[0].tasks[1] == "c:1"


@pytest.mark.parametrize("wrong", [["a:1"], {"worker": "a:1"}, {"worker": [1]}])
def test_a_cluster_spec_is_checked(wrong):
    with pytest.raises(TypeError):
        tf.train.ClusterSpec(wrong)


def test_a_missing_task_is_named():
    spec = tf.train.ClusterSpec({"worker": ["a:1"]})
    with pytest.raises(ValueError, match="No task with index 3 in job 'worker'"):
        spec.task_address("worker", 3)
    with pytest.raises(ValueError, match="No such job in cluster: 'ps'"):
        spec.num_tasks("ps")


def test_tf_config(monkeypatch):
    resolver = resolvers.TFConfigClusterResolver()
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert (resolver.task_type, resolver.task_id, resolver.master()) == (None, None, "")
    assert not resolver.cluster_spec()
    config = {
        "cluster": {"worker": ["a:1", "b:1"], "ps": ["c:1"]},
        "task": {"type": "worker", "index": "1"},
        "rpc_layer": "grpc",
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert (resolver.task_type, resolver.task_id, resolver.master()) == ("worker", 1, "grpc://b:1")
    assert resolver.master("ps", 0, "") == "c:1"
    overriding = resolvers.TFConfigClusterResolver(task_type="ps", task_id=0)
    assert overriding.master() == "grpc://c:1"
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": {"1": "b:1"}}, "task": {"type": "worker", "index": 1}}'
    )
    assert resolver.master() == "b:1"  # the others are not named, but there
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(ValueError, match="TF_CONFIG is not JSON"):
        resolver.cluster_spec()


def test_a_union_joins_clusters():
    first = resolvers.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": ["a:1"]}), task_type="worker", task_id=0, num_accelerators={"GPU": 2}
    )
    second = resolvers.SimpleClusterResolver(tf.train.ClusterSpec({"worker": ["b:1"], "ps": {2: "c:1"}}))
    union = resolvers.UnionResolver(first, second)
    assert union.cluster_spec().as_dict() == {"worker": ["a:1", "b:1"], "ps": {2: "c:1"}}
    assert (union.task_type, union.task_id, union.num_accelerators()) == ("worker", 0, {"GPU": 2})
    with pytest.raises(KeyError, match="Duplicate keys"):
        resolvers.UnionResolver(second, second).cluster_spec()


SLURM = {
    "PROCID": "2",
    "STEP_NUM_TASKS": "4",
    "STEP_NODELIST": "n[1-2],m5",
    "STEP_TASKS_PER_NODE": "1(x2),2",
}


def slurm(monkeypatch, **changes):
    for name, value in (SLURM | changes).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")


def test_slurm(monkeypatch):
    slurm(monkeypatch)
    resolver = resolvers.SlurmClusterResolver({"worker": 3, "chief": 1}, port_base=9000)
    assert resolver.get_task_info() == (None, None)
    assert resolver.cluster_spec().as_dict() == {
        "chief": ["m5:9000"],
        "worker": ["m5:9001", "n1:9000", "n2:9000"],
    }
    assert resolver.get_task_info() == ("worker", 1)
    assert resolver.num_accelerators() == {"GPU": 2}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert resolver.master() == "grpc://n1:9000"


def test_slurm_says_what_does_not_add_up(monkeypatch):
    slurm(monkeypatch)
    with pytest.raises(RuntimeError, match="Requested 7 tasks but only 4"):
        resolvers.SlurmClusterResolver({"worker": 7})
    with pytest.raises(RuntimeError, match="more GPUs per node"):
        resolvers.SlurmClusterResolver(gpus_per_task=3)
    monkeypatch.delenv("SLURM_PROCID")
    with pytest.raises(RuntimeError, match="SLURM_PROCID not found"):
        resolvers.SlurmClusterResolver()


def pod(name, address, phase="Running"):
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name), status=SimpleNamespace(host_ip=address, phase=phase)
    )


def test_kubernetes_asks_a_client():
    pods = {"job=a": [pod("p-1", "10.0.0.2"), pod("p-0", "10.0.0.1")]}
    client = SimpleNamespace(
        list_pod_for_all_namespaces=lambda label_selector: SimpleNamespace(items=pods[label_selector])
    )
    resolver = resolvers.KubernetesClusterResolver({"worker": ["job=a"]}, override_client=client)
    assert resolver.cluster_spec().as_dict() == {"worker": ["10.0.0.1:8470", "10.0.0.2:8470"]}
    assert resolver.master() == ""
    assert resolver.master("worker", 1) == "grpc://10.0.0.2:8470"
    pods["job=a"].append(pod("p-2", "", "Pending"))
    with pytest.raises(RuntimeError, match='Pod "p-2" is not running; phase: "Pending"'):
        resolver.cluster_spec()


class ComputeEngine:
    """What the resolver uses of a service object."""

    machines = {"m-0": "10.1.0.2", "m-1": "10.1.0.1"}

    def instanceGroups(self):
        return self

    instances = instanceGroups

    def listInstances(self, project, zone, instanceGroup, body, orderBy):
        items = [{"instance": f"zones/{zone}/{name}"} for name in self.machines]
        return SimpleNamespace(execute=lambda: {"items": items})

    def listInstances_next(self, previous_request, previous_response):
        return None

    def get(self, project, zone, instance):
        return SimpleNamespace(
            execute=lambda: {"networkInterfaces": [{"networkIP": self.machines[instance]}]}
        )


def test_compute_engine_asks_a_service():
    resolver = resolvers.GCEClusterResolver("p", "z", "g", 80, task_id=1, service=ComputeEngine())
    assert resolver.cluster_spec().as_dict() == {"worker": ["10.1.0.1:80", "10.1.0.2:80"]}
    assert resolver.master() == "grpc://10.1.0.2:80"
    with pytest.raises(RuntimeError, match="cannot reset the task_type"):
        resolver.task_type = "ps"


TPU = tf.distribute.cluster_resolver.TPUClusterResolver


@pytest.mark.parametrize(
    ("arguments", "cluster", "master"),
    [
        ({"tpu": "grpc://a:1"}, {"worker": ["a:1"]}, "grpc://a:1"),
        ({"tpu": "grpc://a:1,grpc://b:2"}, {"worker": ["a:1", "b:2"]}, "grpc://a:1"),
        ({"tpu": "a:1", "job_name": "tpu"}, {"tpu": ["a:1"]}, "grpc://a:1"),
        (
            {"tpu": "a:1", "coordinator_name": "chief", "coordinator_address": "c:3"},
            {"worker": ["a:1"], "chief": ["c:3"]},
            "grpc://a:1",
        ),
        ({"tpu": "local"}, {}, ""),
    ],
)
def test_tpu_workers(arguments, cluster, master):
    resolver = TPU(**arguments)
    assert resolver.cluster_spec().as_dict() == cluster
    assert resolver.master() == resolver.get_master() == master
    assert resolver.get_coordination_service_leader() == f"/job:{arguments.get('job_name', 'worker')}/task:0"


def test_tpu_workers_of_the_environment(monkeypatch):
    monkeypatch.setenv("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "grpc://a:1")
    assert TPU().master("worker", 0) == "grpc://a:1"


def test_tpus_that_are_not_here(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert TPU("local").num_accelerators() == {"TPU": 0}
    for call in (TPU, lambda: TPU("my-tpu"), lambda: TPU(zone="here"), lambda: TPU.connect("local")):
        with pytest.raises(ValueError, match="TPU"):
            call()
    with pytest.raises(RuntimeError, match="known to that machine only"):
        TPU("grpc://a:1").num_accelerators()
