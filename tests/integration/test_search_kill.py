import time

import numpy as np
import pytest
from searching import content, finish, log_size, start


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    assert finish(directory, 0) == (0, "")
    return content(directory)


def test_a_search_killed_at_ten_random_moments_ends_with_the_same_bytes(tmp_path, uninterrupted):
    rng = np.random.default_rng(0)
    # sizes of the log at which to kill: most in the midst of evaluating, some before and after
    moments = np.sort(rng.uniform(-0.1, 1.0, 10)) * len(uninterrupted["log.jsonl"])
    killed = 0
    for moment in moments:
        with start(tmp_path, 5) as process:
            while process.poll() is None and log_size(tmp_path) < moment:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.01))
            process.kill()
        killed += process.returncode == -9
    assert killed >= 8
    assert finish(tmp_path, 0) == (0, "")
    assert content(tmp_path) == uninterrupted


def test_a_search_that_fills_the_disk_goes_on_when_there_is_room(tmp_path, uninterrupted):
    limit = len(uninterrupted["log.jsonl"]) // 2
    code, errors = finish(tmp_path, 0, limit)
    assert code == 1
    assert "log.jsonl could not be written" in errors
    assert (tmp_path / "log.jsonl").read_bytes().endswith(b"\n")
    assert finish(tmp_path, 0) == (0, "")
    assert content(tmp_path) == uninterrupted


def test_a_second_process_is_refused_and_corrupts_nothing(tmp_path, uninterrupted):
    with start(tmp_path, 200) as first:
        while log_size(tmp_path) == 0:
            time.sleep(0.001)
        code, errors = finish(tmp_path, 0)
        assert code == 1
        assert f"is being written by another process (id {first.pid})" in errors
        first.kill()
    assert finish(tmp_path, 0) == (0, "")
    assert content(tmp_path) == uninterrupted
