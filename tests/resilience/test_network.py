"""Hosts in network namespaces: what is sent arrives, and who waits for a host that is cut off gets an error."""

import subprocess
import sys

import pytest

from resilience.network import Network, NotPermittedError

SERVER = """
import threading
from penstock.cluster.calls import CallServer
CallServer(("", 2222), {"twice": lambda arrays: [2 * arrays[0]], "never": lambda arrays: threading.Event().wait()}).start()
print("listens", flush=True)
threading.Event().wait()
"""
CLIENT = """
import sys
import numpy as np
from penstock.cluster.calls import CallClient
client = CallClient(("host1", 2222), 10.0)
print(client.call("twice", [np.array(21)]).result()[0], flush=True)
waiting = client.call("never", [])
sys.stdin.readline()
try:
    waiting.result()
except Exception as error:
    print(type(error).__name__, error.message, flush=True)
"""


@pytest.fixture
def network():
    try:
        made = Network(2)
    except NotPermittedError as problem:
        pytest.skip(str(problem))
    with made:
        yield made


def test_a_call_of_a_host_that_is_cut_off_ends_with_an_error(network, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SILENCE_TIMEOUT", "1")

    def start(host, program):
        command = network.on(host, [sys.executable, "-c", program])
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    server = start(1, SERVER)
    try:
        assert server.stdout.readline() == "listens\n"
        client = start(0, CLIENT)
        assert client.stdout.readline() == "42\n"
        network.cut(1)
        out, _ = client.communicate("\n", timeout=60)
        assert out == "UnavailableError the connection to host1:2222 has ended\n"
    finally:
        for each in (server, client):
            each.kill()
            each.communicate()


def test_packets_that_get_lost_come_again(network):
    network.impair(delay=0.005, loss=0.05)
    receive = (
        "import socket; c, _ = socket.create_server(('', 99)).accept(); print(len(c.makefile('rb').read()))"
    )
    send = "import socket; socket.create_connection(('host1', 99), 10).sendall(bytes(10**6))"
    receiver = subprocess.Popen(
        network.on(1, [sys.executable, "-c", receive]), stdout=subprocess.PIPE, text=True
    )
    sender = [sys.executable, "-c", send]
    while subprocess.run(network.on(0, sender), capture_output=True).returncode:
        pass  # it does not listen yet
    assert receiver.communicate(timeout=60)[0] == "1000000\n"


def test_a_host_without_power_loses_its_processes_and_its_own_files(tmp_path):
    try:
        made = Network(2, own_folders=[str(tmp_path)])
    except NotPermittedError as problem:
        pytest.skip(str(problem))
    with made as network:
        waits = ["sh", "-c", f"touch {tmp_path}/file && echo there && exec sleep infinity"]
        running = [
            subprocess.Popen(network.on(i, waits), stdout=subprocess.PIPE, text=True) for i in range(2)
        ]
        assert [each.stdout.readline() for each in running] == ["there\n"] * 2
        network.halt(0)
        assert running[0].wait(30) == -9
        assert running[1].poll() is None
        found = [subprocess.check_output(network.on(i, ["ls", str(tmp_path)]), text=True) for i in range(2)]
        assert found == ["", "file\n"]
        network.halt(1)
        running[1].wait(30)
    assert not list(tmp_path.iterdir())
