"""A Ray cluster of this machine with two cores, for as long as a block lasts."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from searching import ENVIRONMENT

_RAY = [sys.executable, "-m", "ray.scripts.scripts"]


class Addresses(NamedTuple):
    """Of a cluster: for its own nodes, and for clients that are none."""

    node: str
    client: str


@contextmanager
def ray_cluster() -> Iterator[Addresses]:
    """Start a cluster that shares nothing with any other, and end it.

    Yields:
        Its addresses.
    """
    # paths of sockets may not be long
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    port, client_port = free_port(), free_port()
    with subprocess.Popen(
        [*_RAY, "start", "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1",
         "--num-cpus=2", "--object-store-memory=80000000", "--include-dashboard=false",
         "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0",
         f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as cluster:  # fmt: skip
        try:
            said = []
            for line in cluster.stdout or ():
                said.append(line)
                if "Ray runtime started" in line:
                    break
            else:
                raise RuntimeError("".join(said))
            yield Addresses(f"127.0.0.1:{port}", f"ray://127.0.0.1:{client_port}")
        finally:
            cluster.terminate()
            cluster.communicate(timeout=60)
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
