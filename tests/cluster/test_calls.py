"""Calls between processes: who speaks another language, or goes away, does not disturb the others."""

import contextlib
import socket
import struct

import numpy as np
import pytest

from penstock.cluster.calls import CallClient, CallServer
from penstock.cluster.messages import RESULT, Connection, Message
from penstock.cluster.ports import free_ports
from penstock.types import errors


@pytest.fixture
def address():
    return "localhost", free_ports(1)[0]


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", struct.pack(">cIIIQ", b"?", 0, 0, 2**31, 2**60)],
    ids=["http", "nothing", "impossible lengths"],
)
def test_a_server_answers_after_it_was_called_by_something_else(address, said):
    server = CallServer(address, {"twice": lambda arrays: [2 * arrays[0]]})
    server.start()
    with socket.create_connection(address) as stranger:
        stranger.sendall(said)
        with contextlib.suppress(
            OSError
        ):  # the server has closed the connection already, with what was said unread
            stranger.shutdown(socket.SHUT_WR)
            assert stranger.recv(1) == b""
    client = CallClient(address, 10.0)
    assert client.call("twice", [np.array(21)]).result(10) == [42]
    client.close()
    server.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Message(RESULT, number=0, payload=b"no arrays"), errors.DataLossError),
        (Message(RESULT, number=7), errors.UnavailableError),
        (Message(b"?"), errors.UnavailableError),
    ],
)
def test_a_call_ends_whatever_is_answered(address, answer, error):
    with socket.create_server(address) as listener:
        client = CallClient(address, 10.0)
        strange = Connection(listener.accept()[0], 60.0)
        future = client.call("twice", [np.array(21)])
        assert strange.receive().place == "twice"
        strange.send(answer)
        with pytest.raises(error):
            future.result(10)
        client.close()
        strange.close()
