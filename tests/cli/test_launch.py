"""`penstock launch`: one process for each task, their output, and one end for all."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from penstock.cli.launch import addresses_on, read_hosts, task_config


def launch(tmp_path, program, *options, **kwargs):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    command = [sys.executable, "-m", "penstock", "launch", *options, str(script), "one", "--two"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=os.getcwd(), **kwargs
    )


TELL = """
import json, os, sys
config = json.loads(os.environ["TF_CONFIG"])
print(config["task"]["type"], config["task"]["index"], len(config["cluster"]["worker"]), sys.argv[1:])
"""


def test_each_task_knows_its_place_and_its_lines_are_marked(tmp_path):
    out, err = launch(tmp_path, TELL, "--workers", "2", "--chief").communicate()
    assert sorted(out.splitlines()) == [
        "[chief 0]  chief 0 2 ['one', '--two']",
        "[worker 0] worker 0 2 ['one', '--two']",
        "[worker 1] worker 1 2 ['one', '--two']",
    ], err


def test_a_chief_may_be_alone(tmp_path):
    tell = "import json, os\nprint(json.loads(os.environ['TF_CONFIG'])['task'])\n"
    out, err = launch(tmp_path, tell, "--workers", "0", "--chief").communicate()
    assert out == "[chief 0] {'type': 'chief', 'index': 0}\n", err


def test_lines_are_coloured_where_colours_are_seen(tmp_path):
    process = launch(tmp_path, TELL, "--workers", "1", env={**os.environ, "FORCE_COLOR": "1"})
    assert process.communicate()[0].startswith("\033[36m[worker 0]\033[0m worker 0")


def test_the_first_that_fails_ends_the_others(tmp_path):
    program = """
    import json, os, signal, sys
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
        sys.exit(5)
    signal.sigwait([signal.SIGTERM])
    """
    process = launch(tmp_path, "import penstock.cli.processes\n" + textwrap.dedent(program))
    err = process.communicate()[1]
    assert process.returncode == 5
    assert "penstock launch: worker 1 ended with exit status 5" in err


def test_parameter_servers_end_with_the_chief(tmp_path):
    program = """
    import json, os, signal
    task = json.loads(os.environ["TF_CONFIG"])["task"]["type"]
    print(task, "is here", flush=True)
    if task != "chief":
        signal.sigwait([signal.SIGTERM])
    """
    process = launch(tmp_path, program, "--workers", "1", "--ps", "1")
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "[chief 0]  chief is here" in out


def test_ctrl_c_ends_all(tmp_path):
    program = """
    import signal
    print("waiting", flush=True)
    signal.pause()
    """
    process = launch(tmp_path, program, "--workers", "2")
    for _ in range(2):
        assert "waiting" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.count("KeyboardInterrupt") == 2


def test_hosts_are_reached_by_a_command(tmp_path):
    """A shell script stands for ssh: it has the host as its first argument, and a command for the host's shell."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nhost=$1; shift\nexport HOST_NAME=$host\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    hosts = tmp_path / "hosts"
    hosts.write_text("a slots=2  # the first\n\nb\n")
    program = """
    import json, os
    config = json.loads(os.environ["TF_CONFIG"])
    print(os.environ["HOST_NAME"], config["cluster"]["worker"])
    """
    process = launch(
        tmp_path, program, "--workers", "3", "--hosts", str(hosts), "--ssh", str(ssh), "--port", "7000"
    )
    out, err = process.communicate()
    assert sorted(line.split()[2] for line in out.splitlines()) == ["a", "a", "b"], err
    assert "['a:7000', 'a:7001', 'b:7000']" in out


def test_a_step_of_slurm_is_started_in_an_allocation(tmp_path):
    """A shell script stands for srun: it runs both tasks with the variables that Slurm gives them."""
    srun = tmp_path / "srun"
    srun.write_text(
        "#!/bin/sh\nshift 3\nexport SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST='n[1-2]' SLURM_STEP_TASKS_PER_NODE='1(x2)'\n"
        'SLURM_PROCID=0 "$@" && SLURM_PROCID=1 "$@"\n'
    )
    srun.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": ""}
    program = 'import os; print(os.environ["TF_CONFIG"])'
    out, err = launch(tmp_path, program, "--workers", "2", env=environment).communicate()
    configs = [json.loads(line.removeprefix("[srun]")) for line in out.splitlines()]
    assert [each["task"]["index"] for each in configs] == [0, 1], err
    assert configs[0]["cluster"] == {"worker": ["n1:8888", "n2:8888"]}


def test_nothing_to_run_is_refused(tmp_path):
    command = [sys.executable, "-m", "penstock", "launch", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing to run" in done.stderr


def test_more_tasks_than_slots_begin_again_at_the_first_host():
    assert addresses_on([("a", 1), ("b", 1)], 3, 80) == ["a:80", "b:80", "a:81"]


def test_a_line_that_is_no_host_is_named(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("a\nb slots=two\n")
    with pytest.raises(SystemExit, match=r"hosts:2: expected `host` or `host slots=K`"):
        read_hosts(str(file))


def test_addresses_go_to_the_jobs_in_order():
    config = json.loads(task_config({"chief": 1, "worker": 1}, ["a:1", "b:1"], "chief", 0))
    assert config["cluster"] == {"chief": ["a:1"], "worker": ["b:1"]}
