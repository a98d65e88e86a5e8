import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hwnas.errors import RunInUseError, StorageError
from hwnas.profiling.sample_log import SampleLog, exclusive


def log_of(path: Path, *lines: str) -> SampleLog:
    log = SampleLog(path)
    for line in lines:
        log.append(line)
    log.close()
    return log


def test_lines_are_read_back_in_order(tmp_path: Path) -> None:
    log_of(tmp_path / "log", "one", "two")
    assert log_of(tmp_path / "log").lines == ["one", "two"]


def test_a_log_cut_at_any_byte_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log_of(path, "one", "two", "three")
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].decode().count("\n")
        assert log_of(path).lines == ["one", "two", "three"][:whole]
        log_of(path, "more")
        assert path.read_text().splitlines()[whole:] == ["more"]


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = SampleLog(path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (25, before[1]))
        log.append("x" * 19)
        with pytest.raises(StorageError, match="free space"):
            log.append("y" * 19)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        log.close()
    assert path.read_text() == "x" * 19 + "\n"


def test_a_log_where_none_can_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        SampleLog(tmp_path / "nowhere" / "log")


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hwnas.profiling.sample_log import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunInUseError, match="Another process"), exclusive(tmp_path):
            pass
        process.kill()
    with exclusive(tmp_path):
        pass
