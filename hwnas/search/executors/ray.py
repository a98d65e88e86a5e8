"""Evaluations on a Ray cluster, one processor core each.

hwnas has to be installed on the cluster's nodes, and a run's directory to lie at the same path on
all of them. The search runs on one of the nodes, or anywhere with an address that begins with
``ray://`` (Ray Client, package ``ray[client]``).
"""

import importlib
import socket
import subprocess
import sys
from typing import Any

from hwnas import extras
from hwnas.catalog import IntArray
from hwnas.errors import InputError, RunError
from hwnas.search.executors import ExecutorContext, Outcome, Recipe
from hwnas.search.executors._evaluation import Worker, required, understood

_CONNECT_S = 5.0
_PROBE_S = {"": 30.0, "ray://": 60.0}
"""By the address's beginning: for each client the cluster starts a process of its own."""

_AUTO = "auto"
_PROBE = (
    "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)"
)


class RayExecutor:
    """Actors that start when they are first needed, and again when one has died.

    Args:
        ray: The package, connected.
        recipe: What the actors build their estimators from.
        workers: The number of actors.
        owned: Whether the connection ends with the executor.
    """

    def __init__(self, ray: Any, recipe: Recipe, workers: int, *, owned: bool) -> None:
        self._ray = ray
        self._recipe = recipe
        self._slots = workers
        self._owned = owned
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[int, Any]] = {}

    @property
    def slots(self) -> int:
        """The number of actors."""
        return self._slots

    def submit(self, job: int, row: IntArray, *, fidelity: float) -> None:
        """Hand a row to an actor that has none, which is started if need be."""
        actor = self._idle.pop() if self._idle else self._start()
        self._busy[actor.answer.remote(row.tolist(), fidelity)] = job, actor

    def wait(self) -> tuple[int, Outcome]:
        """The next answer; that an actor died is a failure of its row."""
        (done, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
        job, actor = self._busy.pop(done)
        try:
            answer = self._ray.get(done)
        except self._ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise _broken(error) from error
            return job, Outcome(failure="worker killed")
        except self._ray.exceptions.RayError as error:
            raise _broken(error) from error
        self._idle.append(actor)
        return job, understood(answer)

    def close(self) -> None:
        """Kill all actors."""
        for actor in [*self._idle, *(actor for _, actor in self._busy.values())]:
            self._ray.kill(actor)
        if self._owned:
            self._ray.shutdown()

    def _start(self) -> Any:
        return self._actor.remote(self._recipe.function, self._recipe.arguments)


def create(context: ExecutorContext) -> RayExecutor:
    """An executor with as many actors as workers are asked for, else as the cluster has cores.

    Raises:
        ExtraMissingError: Ray is not installed here.
        InputError: There is no address, it does not answer, or the cluster has fewer cores.
    """
    extras.require("ray", extra="ray", purpose="the ray executor")
    recipe, address = required(context.recipe), context.ray_address
    if not address:
        raise InputError(
            "The ray executor needs the address of a Ray cluster, such as 10.0.0.1:6379, "
            "ray://10.0.0.1:10001, or auto for the one of this machine; give it with "
            "--ray-address."
        )
    # Ray takes a second to import, and types only part of what it offers
    ray: Any = importlib.import_module("ray")
    owned = not ray.is_initialized()
    if owned:
        _check_answers(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="hwnas")
    cores = int(ray.cluster_resources().get("CPU", 0))
    if context.workers > cores:
        raise InputError(
            f"The Ray cluster at {address} has {cores} processor cores, which are too few for "
            f"{context.workers} workers; ask for fewer with --workers."
        )
    return RayExecutor(ray, recipe, context.workers or cores, owned=owned)


def _check_answers(address: str) -> None:
    """Refuse an address where no Ray cluster answers; Ray itself tries for two minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != _AUTO:
        if not host or not port.isdecimal():
            raise InputError(
                f"{address!r} is no address of a Ray cluster; expected HOST:PORT, "
                "ray://HOST:PORT or auto."
            )
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        except OSError as error:
            raise _silent(address, error.strerror or str(error)) from error
    patience_s = _PROBE_S["ray://" if address.startswith("ray://") else ""]
    try:
        # in a process of its own, because a connection that hangs cannot be given up in this one
        subprocess.run(
            [sys.executable, "-c", _PROBE, address], check=True, capture_output=True, text=True,
            timeout=patience_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _silent(address, f"nothing for {patience_s:.0f} s") from error
    except subprocess.CalledProcessError as error:
        last = [line for line in error.stderr.splitlines() if line.strip()][-1:]
        raise _silent(address, *last) from error


def _silent(address: str, *why: str) -> InputError:
    return InputError(
        f"No Ray cluster answers at {address} ({': '.join(why) or 'no reason given'}); start one "
        "with `ray start --head`, or mend --ray-address."
    )


def _broken(error: Exception) -> RunError:
    """A bug of an estimator, or a cluster whose nodes lack hwnas."""
    text = str(error).strip().splitlines()
    return RunError(
        f"The workers on the Ray cluster cannot work: {text[-1].strip() if text else error!r}. "
        "What was evaluated is kept: mend that, then run `hwnas resume`."
    )
