"""The process of a local worker: rows on standard input, answers on what was standard output.

Run as ``python -m hwnas.search.executors._process FUNCTION ARGUMENT...``. It lives as long as
somebody holds the other end of its standard input: when the search dies, so does it, even in the
midst of an evaluation.
"""

import json
import os
import queue
import signal
import sys
import threading
import warnings

from hwnas.errors import HwnasWarning
from hwnas.search.executors._evaluation import Worker


def main(function: str, arguments: list[str]) -> None:
    """Answer rows, a line of JSON each, until standard input ends."""
    # an interrupt is for the search, which ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the search has warned the user already
    warnings.simplefilter("ignore", HwnasWarning)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # whatever an estimator prints must not get between the answers
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    rows: queue.SimpleQueue[tuple[list[int], float]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(rows,), daemon=True).start()
    worker = Worker(function, arguments)
    while True:
        answers.write(json.dumps(worker.answer(*rows.get())) + "\n")
        answers.flush()


def _read(rows: "queue.SimpleQueue[tuple[list[int], float]]") -> None:
    for line in sys.stdin:
        rows.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
