"""Threads beside the program end before the interpreter does."""

import subprocess
import sys
import threading

import pytest

from penstock.engine import background_threads

PROGRAMS = {
    "elements computed ahead": """
        from penstock.data.ahead import Ahead
        weights = tf.random.normal([300, 300])
        product = tf.function(lambda: weights @ weights)
        elements = Ahead((product() for _ in range(10**6)), 8)
        next(elements)
    """,
    "queue runners": """
        v1 = tf.compat.v1
        v1.disable_eager_execution()
        x = tf.random.normal([200, 200])
        batch = v1.train.batch([tf.reduce_sum(x @ tf.nn.softmax(x), 1)], 8, num_threads=2)
        session = v1.Session()
        v1.train.start_queue_runners(session)
        session.run(batch)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_leaves_its_threads_behind_ends_well(name):
    ending = """
        import atexit, threading
        from penstock.engine import background_threads
        threads = [each for each in background_threads._stops if each.is_alive()]
        assert threads
        atexit.unregister(background_threads.end_all)
        atexit.register(lambda: print("left:", sum(each.is_alive() for each in threads)))
        atexit.register(background_threads.end_all)
    """
    lines = ["import penstock as tf", *(PROGRAMS[name] + ending).splitlines()]
    code = "\n".join(line.removeprefix("        ") for line in lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "left: 0\n"), done.stderr


def test_threads_that_do_not_stop_are_not_waited_for_forever(monkeypatch):
    monkeypatch.setattr(background_threads, "_LONGEST", 0.01)
    release = threading.Event()
    thread = threading.Thread(target=release.wait, daemon=True)
    asked = []
    background_threads.stop_at_exit(thread, lambda: asked.append(thread))
    thread.start()
    background_threads.end_all()
    assert asked == [thread] and thread.is_alive()
    release.set()
    thread.join()
