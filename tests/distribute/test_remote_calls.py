"""`tf.distribute.experimental.rpc`: functions of a server are called by name, and errors come back as errors."""

import socket
import threading

import numpy as np
import pytest

import penstock as tf

rpc = tf.distribute.experimental.rpc
INT = tf.TensorSpec([], tf.int32)


def free_address():
    with socket.create_server(("localhost", 0)) as free:
        return f"localhost:{free.getsockname()[1]}"


@pytest.fixture(scope="module")
def address():
    """That of a server with some methods."""
    server = rpc.Server.create("grpc", found := free_address())
    total = tf.Variable(0)
    server.register("multiply", tf.function(lambda a, b: a * b, input_signature=[INT, INT]))
    server.register(
        "add_to_total", tf.function(lambda a: total.assign_add(a).read_value(), input_signature=[INT])
    )
    server.register("nothing", tf.function(lambda: None, input_signature=[]))
    server.register("pair", tf.function(lambda: {"a": tf.constant("text"), "b": tf.ones([2])}))

    @tf.function(input_signature=[INT])
    def fails(a):
        tf.debugging.assert_positive(a, "must be positive")
        return a

    server.register("fails", fails)
    server.start()
    yield found
    del server


@pytest.fixture
def client(address):
    return rpc.Client.create("grpc", address)


def test_a_method_is_called_by_name(client):
    result = client.call("multiply", [tf.constant(3), tf.constant(4)], INT)
    assert result.is_ok().numpy()
    assert result.get_value().numpy() == 12
    assert [each.numpy() for each in result.get_error()] == [0, b""]


def test_a_client_has_the_methods_of_the_server(client):
    assert client.multiply(tf.constant(3), tf.constant(5)).get_value().numpy() == 15
    assert client.multiply_blocking(tf.constant(3), tf.constant(6)).numpy() == 18
    found = client.pair_blocking()
    assert found["a"].numpy() == b"text"
    np.testing.assert_array_equal(found["b"], [1, 1])
    assert client.nothing_blocking() is None


def test_variables_stay_on_the_server(address):
    before = rpc.Client.create("grpc", address).add_to_total_blocking(tf.constant(2)).numpy()
    assert rpc.Client.create("grpc", address).add_to_total_blocking(tf.constant(3)).numpy() == before + 3


def test_without_specs_there_is_no_value(client):
    assert client.call("multiply", [tf.constant(3), tf.constant(4)]).get_value() is None


@pytest.mark.parametrize(
    ("method", "arguments", "code", "message"),
    [
        ("other", [], tf.errors.NOT_FOUND, "no method 'other'"),
        ("fails", [-1], tf.errors.INVALID_ARGUMENT, "must be positive"),
        ("multiply", [1], tf.errors.INVALID_ARGUMENT, "takes 2 tensors, got 1"),
        ("multiply", [1, 2.0], tf.errors.INVALID_ARGUMENT, "argument 1"),
    ],
)
def test_errors_come_back(client, method, arguments, code, message):
    result = client.call(method, [tf.constant(each) for each in arguments], INT)
    found, text = result.get_error()
    assert not result.is_ok().numpy()
    assert (int(found), message in text.numpy().decode()) == (code, True)
    with pytest.raises(tf.errors.OpError, match=message):
        result.get_value()


def test_a_call_that_takes_too_long(client):
    go_on = threading.Event()
    server = rpc.Server.create("grpc", other := free_address())
    wait = lambda: tf.numpy_function(lambda: np.int32(go_on.wait(10)), [], tf.int32)
    server.register("wait", tf.function(wait, input_signature=[]))
    server.start()
    with pytest.raises(tf.errors.DeadlineExceededError):
        rpc.Client.create("grpc", other).wait_blocking(timeout_in_ms=1)
    go_on.set()


def test_a_server_that_is_not_there():
    with pytest.raises(tf.errors.UnavailableError):
        rpc.Client.create("grpc", free_address())
    with pytest.raises(tf.errors.DeadlineExceededError):
        rpc.Client.create("grpc", free_address(), timeout_in_ms=1)


def test_what_is_refused(address):
    with pytest.raises(ValueError, match="GRPC"):
        rpc.Server.create("http", address)
    server = rpc.Server.create("grpc", free_address())
    with pytest.raises(ValueError, match="Only TF functions"):
        server.register("python", lambda: 1)
    with pytest.raises(ValueError, match="Input signature not specified"):
        server.register("no_signature", tf.function(lambda a: a))
    server.register("twice", tf.function(lambda: 1, input_signature=[]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="already registered"):
        server.register("twice", tf.function(lambda: 1, input_signature=[]))
