"""Evaluations on a Ray cluster, one processor core each.

hwnas has to be installed on the cluster's nodes, and a run's directory to lie at the same path on
all of them. The search runs on one of the nodes, or anywhere with an address that begins with
``ray://`` (Ray Client, package ``ray[client]``).
"""

import importlib
import os
import socket
from typing import Any

from hwnas import extras
from hwnas.catalog import IntArray
from hwnas.errors import InputError, RunError
from hwnas.search.executors import ExecutorContext, Outcome, Recipe
from hwnas.search.executors._evaluation import Worker, required, understood

_AUTO = "auto"
_CLIENT = "ray://"
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How gRPC, which Ray speaks, greets: HTTP/2's preface, and settings (RFC 9113, section 3.4)."""

_FRAME, _KIND, _SETTINGS = 9, 3, 4


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
    if address != _AUTO:
        _check_answers(address, context.ray_timeout_s)
    if address.startswith(_CLIENT):
        extras.require("grpc", extra="ray", purpose=f"an address that begins with {_CLIENT}")
    # Ray takes a second to import, and types only part of what it offers
    ray: Any = importlib.import_module("ray")
    owned = not ray.is_initialized()
    if owned:
        _connect(ray, address)
    cores = int(ray.cluster_resources().get("CPU", 0))
    if context.workers > cores:
        raise InputError(
            f"The Ray cluster at {address} has {cores} processor cores, which are too few for "
            f"{context.workers} workers; ask for fewer with --workers."
        )
    return RayExecutor(ray, recipe, context.workers or cores, owned=owned)


def _check_answers(address: str, timeout_s: float) -> None:
    """Refuse an address where no Ray cluster answers; Ray itself tries for minutes."""
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"{address!r} is no address of a Ray cluster; expected HOST:PORT, ray://HOST:PORT or "
            "auto."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as link:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return  # what is said then takes certificates, which Ray knows
            link.sendall(_HELLO)
            with link.makefile("rb") as answers:
                answer = answers.read(_FRAME)
    except TimeoutError as error:
        raise _silent(address, f"nothing for {timeout_s:g} s") from error
    except (OSError, OverflowError) as error:
        raise _silent(address, getattr(error, "strerror", None) or str(error)) from error
    if len(answer) < _FRAME or answer[_KIND] != _SETTINGS:
        raise _silent(address, "what listens there is something else")


def _connect(ray: Any, address: str) -> None:
    # a busy cluster that has just started may be too slow for its first client
    for last in (not address.startswith(_CLIENT), True):
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="hwnas")
            return
        except (ConnectionError, RuntimeError, ValueError) as error:
            if last:
                raise _silent(address, *str(error).strip().splitlines()[-1:]) from error


def _silent(address: str, *why: str) -> InputError:
    reason = ": ".join(why).rstrip(".") or "no reason given"
    return InputError(
        f"No Ray cluster answers at {address} ({reason}). Start one with `ray start --head`, or "
        "mend --ray-address; give a slow one longer to answer with --ray-timeout."
    )


def _broken(error: Exception) -> RunError:
    """A bug of an estimator, or a cluster whose nodes lack hwnas."""
    text = str(error).strip().splitlines()
    return RunError(
        f"The workers on the Ray cluster cannot work: {text[-1].strip() if text else error!r}. "
        "What was evaluated is kept: mend that, then run `hwnas resume`."
    )
