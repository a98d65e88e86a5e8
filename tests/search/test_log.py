import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwnas.errors import FileFormatError, RunInUseError, StorageError
from hwnas.search.log import LogWriter, locked, read
from hwnas.search.records import Records

ROOT = Path(__file__).parents[2]
NAMES = ("accuracy", "macs")
RECORDS = Records(
    np.array([[0, 1], [1, 0], [1, 1]]),
    {"accuracy": np.array([71.25, np.nan, 0.1 + 0.2]), "macs": np.array([10.0, 12.0, 1e300])},
    {"accuracy": np.array([np.nan, np.nan, 0.1])},
    {1: 'worker killed by "SIGKILL"'},
)
LINES = [
    {"index": 0, "genes": [0, 1], "values": {"accuracy": 71.25, "macs": 10.0}},
    {
        "index": 1,
        "genes": [1, 0],
        "values": {"accuracy": None, "macs": 12.0},
        "failed": 'worker killed by "SIGKILL"',
    },
    {
        "index": 2,
        "genes": [1, 1],
        "values": {"accuracy": 0.1 + 0.2, "macs": 1e300},
        "std": {"accuracy": 0.1},
    },
]


def assert_equal(found, expected):
    assert found.genes.tolist() == expected.genes.tolist()
    assert found.failures == expected.failures
    for mine, theirs in ((found.values, expected.values), (found.stds, expected.stds)):
        # deviations that none of the evaluations has may be missing
        for name in mine.keys() | theirs.keys():
            nothing = np.full(len(expected), np.nan)
            np.testing.assert_array_equal(mine.get(name, nothing), theirs.get(name, nothing))


@pytest.fixture
def path(tmp_path):
    with LogWriter(tmp_path / "log.jsonl") as writer:
        writer.append(RECORDS, first=0)
    return tmp_path / "log.jsonl"


def python(code, *arguments, **options):
    """Python code in a process of its own, which speaks through its standard output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_a_line_is_what_json_writes_of_an_evaluation(path):
    written = [json.dumps(line, separators=(",", ":")) for line in LINES]
    assert path.read_text().splitlines() == written


def test_records_are_read_back_to_the_last_digit(path):
    assert_equal(read(path, NAMES, genes=2), RECORDS)


def test_there_are_no_records_before_there_is_a_log(tmp_path):
    assert len(read(tmp_path / "log.jsonl", NAMES, genes=2)) == 0


def test_a_log_cut_at_any_byte_holds_the_whole_lines_before_it(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        assert_equal(read(path, NAMES, genes=2), RECORDS.part(0, whole))


def test_a_log_cut_at_any_byte_is_completed_to_the_same_bytes(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        with LogWriter(path) as writer:
            writer.append(RECORDS.part(whole, 3), first=whole)
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an evaluation"),
        ('{"index":7,"genes":[0,1],"values":{"accuracy":1,"macs":2}}', "has index 7, expected 1"),
        ('{"index":1,"genes":[0],"values":{"accuracy":1,"macs":2}}', "does not have 2 genes"),
        ('{"index":1,"genes":[0,1],"values":{"macs":2}}', "exactly the values accuracy, macs"),
        ('{"index":1,"genes":[0,1],"values":{"accuracy":"1","macs":2}}', "is not a number"),
    ],
)
def test_a_changed_line_is_refused_with_its_number(path, line, what):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], line + "\n", lines[2]]))
    with pytest.raises(FileFormatError, match=f"line 2 .*{what}"):
        read(path, NAMES, genes=2)


HOLD = """
import sys
from pathlib import Path
from hwnas.search.log import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_directory_in_use_is_refused_with_the_process_id(tmp_path):
    with python(HOLD, tmp_path) as process:
        assert process.stdout.readline() == "locked\n"
        in_use = rf"another process \(id {process.pid}\)"
        with pytest.raises(RunInUseError, match=in_use), locked(tmp_path):
            pass
        process.stdin.close()


def test_a_killed_process_leaves_no_lock(tmp_path):
    with python(HOLD, tmp_path) as process:
        process.stdout.readline()
        process.kill()
        process.wait()
        with locked(tmp_path):
            pass


def test_a_lock_is_free_again_after_its_block(tmp_path):
    for _ in range(2):
        with locked(tmp_path):
            pass


FILL = """
import resource, sys
from pathlib import Path
import numpy as np
from hwnas.errors import StorageError
from hwnas.search.log import LogWriter
from hwnas.search.records import Records
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
with LogWriter(Path(sys.argv[1])) as writer:
    for index in range(100_000):
        try:
            values = {"accuracy": np.array([1 / (index + 1)]), "macs": np.array([float(index)])}
            writer.append(Records(np.array([[index, index]]), values), first=index)
        except StorageError as error:
            print(index, error, sep="\\n")
            break
"""


def fill(path, limit):
    """Append until there is no room; the number of records written, and the error."""
    with python(FILL, path, limit) as process:
        output, _ = process.communicate()
    count, message = output.splitlines()
    return int(count), message


def test_a_file_that_may_not_grow_keeps_the_whole_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    count, message = fill(path, 1000)
    assert "could not be written" in message
    assert path.read_bytes().endswith(b"\n")
    assert len(read(path, NAMES, genes=2)) == count > 5
    assert path.stat().st_size <= 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_keeps_the_whole_lines_and_the_log_goes_on_when_there_is_room(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        path = tmp_path / "log.jsonl"
        count, message = fill(path, 0)
        assert "No space left on device" in message
        assert len(read(path, NAMES, genes=2)) == count > 50
        columns = {name: np.full(200, 1.0) for name in NAMES}
        with pytest.raises(StorageError), LogWriter(path) as writer:
            writer.append(Records(np.zeros((200, 2), dtype=int), columns), first=count)
        assert len(read(path, NAMES, genes=2)) == count
        subprocess.run(["mount", "-o", "remount,size=64k", str(tmp_path)], check=True)
        with LogWriter(path) as writer:
            writer.append(RECORDS, first=count)
        assert_equal(read(path, NAMES, genes=2).part(count, count + 3), RECORDS)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
