"""The evaluation of a checkpoint, by `contrib.training` and `contrib.slim`."""

import pytest

import penstock as tf

v1 = tf.compat.v1
contrib = v1.contrib


@pytest.fixture
def checkpoint(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        v1.get_variable("w", initializer=3.0)
        session.run(v1.global_variables_initializer())
        session.run(step.assign_add(7))
        return v1.train.Saver().save(session, str(tmp_path / "model"), global_step=7)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        v1.train.get_or_create_global_step()
        yield graph


def test_metrics_of_a_checkpoint(graph, checkpoint, tmp_path):
    w = v1.get_variable("w", initializer=0.0)
    value, update = v1.metrics.mean(w * v1.placeholder_with_default(2.0, [], name="factor"))
    count = v1.get_local_variable("count", initializer=0)
    v1.summary.scalar("value", value)
    found = contrib.slim.evaluation.evaluate_once(
        "", checkpoint, str(tmp_path / "eval"), num_evals=3, eval_op=[update, count.assign_add(1)],
        final_op={"value": value, "count": count},
    )  # fmt: skip
    assert found == {"value": 6.0, "count": 3}
    (events,) = (tmp_path / "eval").iterdir()
    written = [each.tag for event in v1.train.summary_iterator(str(events)) for each in event.summary.value]
    assert written == ["value"]


def test_variables_are_restored_by_other_names(graph, checkpoint, tmp_path):
    v = v1.get_variable("v", initializer=0.0)
    names = {"w": v, "global_step": v1.train.get_global_step()}
    added = v.assign_add(v1.placeholder_with_default(0.0, [], name="added"))
    found = contrib.slim.evaluation.evaluate_once(
        "", checkpoint, str(tmp_path), initial_op=added.op, initial_op_feed_dict={"added:0": 2.0},
        final_op=[v, names["global_step"]], variables_to_restore=names, summary_op=None,
    )  # fmt: skip
    assert found == [5.0, 7]


def test_evaluation_without_operations_before(graph, checkpoint):
    assert contrib.training.evaluate_once(checkpoint, final_ops=v1.get_variable("w", initializer=0.0)) == 3.0


def test_summaries_need_a_place():
    with pytest.raises(ValueError, match="log_dir"):
        contrib.training.SummaryAtEndHook()


@pytest.mark.parametrize("slim", [True, False])
def test_each_new_checkpoint_is_evaluated(graph, checkpoint, tmp_path, slim):
    w = v1.get_variable("w", initializer=0.0)
    saver = v1.train.Saver()
    seen = []

    class Next(v1.train.SessionRunHook):
        """Saves one more checkpoint while one is evaluated."""

        def end(self, session):
            seen.append(float(session.run(w)))
            w.load(w.eval(session) + 1, session)
            saver.save(session, str(tmp_path / f"next-{len(seen)}"), write_meta_graph=False)

    arguments = {"eval_interval_secs": 0, "max_number_of_evaluations": 3, "hooks": [Next()]}
    if slim:
        loop = contrib.slim.evaluation.evaluation_loop
        found = loop(
            "", str(tmp_path), str(tmp_path / "eval"), eval_op=w, final_op=w, summary_op=None, **arguments
        )
    else:
        arguments["hooks"].append(contrib.training.StopAfterNEvalsHook(1))
        found = contrib.training.evaluate_repeatedly(str(tmp_path), eval_ops=w, final_ops=w, **arguments)
    assert seen == [3.0, 4.0, 5.0] and found in (5.0, 6.0)


def test_waiting_for_a_checkpoint_ends(graph, tmp_path):
    assert contrib.training.evaluate_repeatedly(str(tmp_path), timeout=0) is None
