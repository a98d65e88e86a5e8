"""Addresses where no Ray cluster answers; `tests/integration` has one that does."""

import importlib.util
import os
import socket
import subprocess
import sys
import time

import pytest

from hwnas.errors import InputError
from hwnas.search import executors
from hwnas.search.executors import ExecutorContext, Recipe

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'hwnas[ray]'"
)


def connect(address, timeout_s=5.0):
    context = ExecutorContext(
        build=lambda: (), recipe=Recipe("nowhere:nothing"), ray_address=address,
        ray_timeout_s=timeout_s,
    )  # fmt: skip
    return executors.create("ray", context)


@pytest.mark.parametrize("beginning", ["", "ray://"])
def test_an_address_where_nothing_listens_is_refused_in_a_sentence(beginning):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"{beginning}127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(InputError, match=r"No Ray cluster answers at .* refused") as refused:
        connect(address)
    assert address in str(refused.value)


@pytest.mark.parametrize("beginning", ["", "ray://"])
def test_an_address_that_accepts_and_says_nothing_is_given_up_in_time(beginning):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(InputError, match=r"\(nothing for 0\.2 s\).*--ray-timeout"):
            connect(f"{beginning}127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
    # far less than the minutes that Ray tries, on however slow a machine
    assert time.monotonic() - begun < 30


def test_an_address_where_something_else_answers_is_refused():
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], "
        "flush=True); c, _ = s.accept(); c.recv(100); c.sendall(b'HTTP/1.1 400 Bad Request\\r\\n')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as other:
        port = int(other.stdout.readline())
        with pytest.raises(InputError, match="what listens there is something else"):
            connect(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["somewhere", "127.0.0.1:port", ":6379", "ray://10.0.0.1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="is no address of a Ray cluster; expected HOST:PORT"):
        connect(address)


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"No Ray cluster answers at 127\.0\.0\.1:99999"):
        connect("127.0.0.1:99999")
