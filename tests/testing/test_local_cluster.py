"""`tf.test.create_local_cluster` in a program of TensorFlow 1."""

import subprocess
import sys
import textwrap

PROGRAM = """
    import penstock as tf

    tf.compat.v1.disable_eager_execution()
    workers, servers = tf.test.create_local_cluster(num_workers=2, num_ps=1)
    with tf.device("/job:ps/task:0"):
        step = tf.compat.v1.get_variable("step", [], tf.int32, tf.compat.v1.zeros_initializer())
    advance = step.assign_add(1)
    first, second = (tf.compat.v1.Session(each.target) for each in workers)
    first.run(step.initializer)
    first.run(advance)
    print(len(servers), second.run(advance))
"""


def test_workers_share_the_variables_of_a_parameter_server():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, timeout=100
    )
    assert done.stdout.split() == ["1", "2"], done.stderr
