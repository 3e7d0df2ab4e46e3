"""What `Session.run` tells of a step in its run metadata."""

from __future__ import annotations

import json

import penstock as tf
from penstock.standin import internals

v1 = tf.compat.v1


def run(**options):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2, 2])
        text = tf.strings.as_string(tf.matmul(x, x, name="product"), name="text")
        length = tf.strings.length(text, name="length")
        metadata = v1.RunMetadata()
        session.run(length, {x: [[1.0, 2.0], [3.0, 4.0]]}, v1.RunOptions(**options), metadata)
    return metadata


def nodes(metadata):
    return [node for device in metadata.step_stats.dev_stats for node in device.node_stats]


def test_the_parts_of_a_step_are_timed():
    found = nodes(run(trace_level=v1.RunOptions.FULL_TRACE))
    assert [each.node_name for each in found][-2:] == ["text", "length"]
    assert all(each.all_start_micros > 1.7e15 and each.all_end_rel_micros >= 0 for each in found)


def test_only_where_it_is_asked_for():
    assert nodes(run()) == [] and not run().partition_graphs


def test_the_graph():
    (graph,) = run(output_partition_graphs=True).partition_graphs
    assert "product" in [node.name for node in graph.node]


def test_a_trace_for_chrome():
    timeline = internals.module("python.client.timeline").Timeline
    trace = timeline(run(trace_level=v1.RunOptions.FULL_TRACE).step_stats).generate_chrome_trace_format()
    events = json.loads(trace)["traceEvents"]
    assert events[0]["name"] == "process_name"
    assert "StringLength" in [each["name"] for each in events]


def test_hooks_may_ask_for_it():
    seen = []

    class Hook(v1.train.SessionRunHook):
        def before_run(self, run_context):
            return v1.train.SessionRunArgs(None, options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE))

        def after_run(self, run_context, run_values):
            seen.extend(nodes(run_values.run_metadata))

    with tf.Graph().as_default():
        x = tf.strings.length(tf.constant("abc"))
        y = tf.timestamp()
        with v1.train.SingularMonitoredSession([Hook()]) as session:
            session.run([x, y])
    assert seen
