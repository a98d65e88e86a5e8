"""Searches whose evaluations are made on a Ray cluster, here one of this machine."""

import importlib.util
import os
import signal
import time
from pathlib import Path

import pytest
from ray_cluster import ray_cluster
from searching import content, finish, start

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'hwnas[ray]'"
)


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    directory = tmp_path_factory.mktemp("serial")
    assert finish(directory, 0) == (0, "")
    return content(directory)


def on(address, workers=2):
    return "--executor", "ray", "--workers", workers, "--ray-address", address


def actors():
    """Processes of this machine that are workers of a search on Ray."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Worker"):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_a_client_of_a_cluster_leaves_the_bytes_of_a_search_without_it(tmp_path, serial, cluster):
    code, errors = finish(tmp_path, 2, *on(cluster.client))
    assert code == 0, errors
    assert content(tmp_path) == serial


def test_a_worker_on_the_cluster_that_is_killed_loses_nothing(tmp_path, serial, cluster):
    before = set(actors())
    with start(tmp_path, 30, *on(cluster.node)) as process:
        while process.poll() is None and not set(actors()) - before:
            time.sleep(0.01)
        os.kill((set(actors()) - before).pop(), signal.SIGKILL)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert content(tmp_path) == serial


def test_more_workers_than_the_cluster_has_cores_are_refused(tmp_path, cluster):
    code, errors = finish(tmp_path, 0, *on(cluster.node, 3))
    assert code == 1
    assert "has 2 processor cores, which are too few for 3 workers" in errors
