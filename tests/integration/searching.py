"""Searches as processes: started, finished, killed, and what they leave."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "search_process.py"
ROOT = Path(__file__).parents[2]
FILES = ("config.json", "log.jsonl", "front.json", "front.csv")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(SCRIPT.parent), *filter(None, sys.path)]),
    "OMP_NUM_THREADS": "1",
    # a user's token is for a user's clusters
    "RAY_AUTH_MODE": "disabled",
}


def start(directory: Path, *arguments: object) -> "subprocess.Popen[str]":
    """A search in a directory, whose evaluations take so many milliseconds."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(directory), *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip


def finish(directory: Path, *arguments: object) -> tuple[int, str]:
    """The same, carried through: its exit status, and what it said of errors."""
    with start(directory, *arguments) as process:
        _, errors = process.communicate(timeout=240)
    return process.returncode, errors


def content(directory: Path) -> dict[str, bytes]:
    """What a search left, by file."""
    return {name: (directory / name).read_bytes() for name in FILES}


def log_size(directory: Path) -> int:
    """Bytes in the log; 0 before there is one."""
    path = directory / "log.jsonl"
    return path.stat().st_size if path.exists() else 0


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are alive."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
