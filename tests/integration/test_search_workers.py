"""Searches whose evaluations are made by several processes of this machine."""

import os
import signal
import time

import pytest
from killing import wait_until_gone
from searching import children, content, finish, log_size, start

TWO = ("--executor", "local", "--workers", 2)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    directory = tmp_path_factory.mktemp("serial")
    assert finish(directory, 0) == (0, "")
    return content(directory)


def wait_for_workers(process, count=2):
    while process.poll() is None and len(children(process.pid)) < count:
        time.sleep(0.01)
    return children(process.pid)


def test_workers_leave_the_bytes_of_a_search_without_them(tmp_path, serial):
    assert finish(tmp_path, 2, *TWO) == (0, "")
    assert content(tmp_path) == serial
    assert {path.name for path in tmp_path.iterdir()} == {*serial, "front.md", "lock"}


def test_workers_that_are_killed_in_mid_run_lose_nothing(tmp_path, serial):
    with start(tmp_path, 30, *TWO) as process:
        for _ in range(2):
            size = log_size(tmp_path)
            workers = wait_for_workers(process)
            os.kill(workers[0], signal.SIGKILL)
            while process.poll() is None and log_size(tmp_path) == size:
                time.sleep(0.01)
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert content(tmp_path) == serial


def test_a_search_killed_with_its_workers_at_work_leaves_no_orphan_and_goes_on(tmp_path, serial):
    with start(tmp_path, 20, *TWO) as process:
        workers = wait_for_workers(process)
        while process.poll() is None and log_size(tmp_path) == 0:
            time.sleep(0.01)
        process.kill()
    for worker in workers:
        wait_until_gone(worker)
    # with one process that takes over, whatever came ahead of its turn included
    assert finish(tmp_path, 0) == (0, "")
    assert content(tmp_path) == serial
    assert not (tmp_path / "ahead.jsonl").exists()


def test_an_interrupted_search_takes_its_workers_with_it(tmp_path, serial):
    with start(tmp_path, 50, *TWO) as process:
        workers = wait_for_workers(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    for worker in workers:
        wait_until_gone(worker)
    assert finish(tmp_path, 0) == (0, "")
    assert content(tmp_path) == serial
