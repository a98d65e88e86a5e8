"""Evaluations in several processes of this machine, one thread each."""

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from hwnas.catalog import IntArray
from hwnas.errors import RunError
from hwnas.search.executors import ExecutorContext, Outcome, Recipe
from hwnas.search.executors._evaluation import required, understood

_PROCESS = "hwnas.search.executors._process"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(eq=False)
class _Worker:
    """A worker's process, and the number of the row it works on."""

    process: "subprocess.Popen[str]"
    job: int | None = None

    @property
    def rows(self) -> IO[str]:
        assert self.process.stdin is not None  # a pipe
        return self.process.stdin

    @property
    def answers(self) -> IO[str]:
        assert self.process.stdout is not None  # a pipe
        return self.process.stdout

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.answers.close()
        with suppress(BrokenPipeError):  # a row that it never read
            self.rows.close()


class LocalExecutor:
    """Processes that start when they are first needed, and again when one has died."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self._recipe = recipe
        self._slots = workers
        self._workers: list[_Worker] = []
        self._answering = selectors.DefaultSelector()

    @property
    def slots(self) -> int:
        """The number of workers."""
        return self._slots

    def submit(self, job: int, row: IntArray, *, fidelity: float) -> None:
        """Hand a row to a worker that has none, which is started if need be."""
        worker = self._idle() or self._start()
        worker.job = job
        with suppress(BrokenPipeError):  # it is dead, as `wait` will notice
            worker.rows.write(json.dumps([row.tolist(), fidelity]) + "\n")
            worker.rows.flush()

    def wait(self) -> tuple[int, Outcome]:
        """The next answer; that a worker was killed is a failure of its row."""
        while True:
            key, _ = self._answering.select()[0]
            worker: _Worker = key.data
            line = worker.answers.readline()
            job, worker.job = worker.job, None
            if line.endswith("\n") and job is not None:
                return job, understood(json.loads(line))
            code = worker.process.wait()
            self._drop(worker)
            if code >= 0:
                raise RunError(
                    f"A worker ended by itself (exit status {code}); what it wrote above says "
                    "why. What was evaluated is kept: mend that, then run `hwnas resume`."
                )
            if job is not None:
                return job, Outcome(failure=f"worker killed by {signal.Signals(-code).name}")

    def close(self) -> None:
        """Kill all workers."""
        for worker in list(self._workers):
            self._drop(worker)
        self._answering.close()

    def _idle(self) -> _Worker | None:
        for worker in list(self._workers):
            if worker.job is None and worker.process.poll() is not None:
                self._drop(worker)
        return next((worker for worker in self._workers if worker.job is None), None)

    def _start(self) -> _Worker:
        # whatever can be imported here can be there, and processes take the place of threads
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        process = subprocess.Popen(
            [sys.executable, "-m", _PROCESS, self._recipe.function, *self._recipe.arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        worker = _Worker(process)
        self._workers.append(worker)
        self._answering.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._answering.unregister(worker.answers)
        worker.close()


def create(context: ExecutorContext) -> LocalExecutor:
    """An executor with as many processes as workers are asked for, else as there are cores."""
    workers = context.workers or len(os.sched_getaffinity(0))
    return LocalExecutor(required(context.recipe), workers)
