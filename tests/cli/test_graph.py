import subprocess
import sys
import xml.etree.ElementTree

import pytest

import penstock as tf
from penstock.cli.graph import _options_first, main
from penstock.cli.graph_picture import layers, svg

SCRIPT = """
import tensorflow as tf

@tf.function
def double(x):
    return tf.transpose(tf.transpose(x)) * 2.0 * 1.0

print("result", double(tf.ones([2, 3])).numpy().sum())
"""


@pytest.fixture
def graph_file(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], name="x")
        y = tf.identity(x * 1.0, name="y")
        tf.cond(tf.reduce_sum(y) > 0.0, lambda: y + 1.0, lambda: y, name="branch")
    tf.io.write_graph(graph, str(tmp_path), "graph.pb", as_text=False)
    return str(tmp_path / "graph.pb")


def test_nodes_are_listed_with_types(graph_file, capsys):
    assert main([graph_file]) == 0
    listed = capsys.readouterr().out
    assert "Placeholder() -> float32[?, 2]" in listed
    assert "graph.pb / branch / " in listed


def test_rules_that_fired_are_named(graph_file, capsys):
    assert main([graph_file, "--optimize"]) == 0
    listed = capsys.readouterr().out
    assert "times-one: x * 1, x / 1 is x" in listed
    assert listed.index("before") < listed.index("times-one") < listed.index("after")


@pytest.mark.parametrize("suffix", [".pb", ".pbtxt"])
def test_graphs_are_written_and_read_again(graph_file, tmp_path, suffix, capsys):
    target = str(tmp_path / f"copy{suffix}")
    assert main([graph_file, "-o", target]) == 0
    assert main([target]) == 0
    assert "Placeholder() -> float32[?, 2]" in capsys.readouterr().out


def test_lists_are_written(graph_file, tmp_path):
    main([graph_file, "-o", str(tmp_path / "list.txt")])
    assert "graph.pb: " in (tmp_path / "list.txt").read_text()


def test_tensorboard_reads_event_files(graph_file, tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    main([graph_file, "-o", str(tmp_path / "logs") + "/"])
    (file,) = (tmp_path / "logs").iterdir()
    graphs = [each.graph_def for each in EventFileLoader(str(file)).Load() if each.graph_def]
    message = tf.compat.v1.GraphDef.FromString(graphs[0])
    assert "x" in {node.name for node in message.node}


def test_saved_models_show_their_signatures(tmp_path, capsys):
    module = tf.Module()
    module.f = tf.function(lambda x: tf.sin(x), input_signature=[tf.TensorSpec([2], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    assert main([str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith("serving_default: ") and "Sin(x) -> float32[2]" in listed


def test_models_of_keras_show_what_they_compute(tmp_path, capsys):
    keras = tf.keras
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")]).save(
        tmp_path / "model.keras"
    )
    assert main([str(tmp_path / "model.keras")]) == 0
    assert "Relu(" in capsys.readouterr().out
    (tmp_path / "damaged.keras").write_bytes(b"no model")
    assert main([str(tmp_path / "damaged.keras")]) != 0
    assert "holds no model" in capsys.readouterr().err


def test_missing_and_damaged_files_are_reported(tmp_path, capsys):
    assert main([str(tmp_path / "none.pb")]) == 1
    (tmp_path / "bad.pb").write_bytes(b"\xff\xff\xff")
    assert main([str(tmp_path / "bad.pb")]) == 1
    assert "bad.pb holds no GraphDef" in capsys.readouterr().err


def test_scripts_are_run_and_their_functions_shown(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "penstock", "graph", "script.py", "--optimize"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "result 12.0" in done.stderr
    assert "script.py: double, before" in done.stdout
    assert "neighbouring transposes" in done.stdout
    assert "XLA: " in done.stdout


def test_options_after_the_file_are_ours():
    assert _options_first(["a.py", "x", "-o", "b.svg", "--optimize"]) == [
        "-o",
        "b.svg",
        "--optimize",
        "a.py",
        "x",
    ]
    assert _options_first(["a.py", "--", "-o", "b"]) == ["a.py", "-o", "b"]


# Pictures.


def test_pictures_are_well_formed(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        with tf.control_dependencies([tf.sqrt(x)]):
            tf.add(x, 1.0, name="more")
    root = xml.etree.ElementTree.fromstring(svg(graph, "a < b & c"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}g")) == len(graph.get_operations())
    assert any("stroke-dasharray" in each.attrib for each in root.findall(f"{space}path"))


def test_layers_stand_below_their_inputs():
    edges = [(0, 3, False), (1, 2, False), (2, 3, False), (0, 4, False)]
    found = layers(5, edges)
    level = {node: i for i, layer in enumerate(found) for node in layer}
    assert all(level[a] < level[b] for a, b, _ in edges)


def test_chains_that_begin_late_stand_above_their_users():
    edges = [
        (0, 1, False),
        (1, 2, False),
        (3, 4, False),
        (4, 5, False),
        (2, 5, False),
        (5, 6, False),
        (7, 8, False),
    ]
    found = layers(9, [*edges, (8, 6, False)])
    level = {node: i for i, layer in enumerate(found) for node in layer}
    assert level[8] == level[6] - 1 and level[7] == level[6] - 2  # a variable and its read


def test_layers_are_ordered_so_that_edges_do_not_cross():
    assert layers(4, [(0, 3, False), (1, 2, False)])[1] in ([3, 2], [2, 3])
    found = layers(4, [(0, 3, False), (1, 2, False)])
    position = {node: i for layer in found for i, node in enumerate(layer)}
    assert (position[0] < position[1]) == (position[3] < position[2])
