"""Several networks trained from scratch at once, each by a process of its own with one thread.

Small networks hardly gain from a second thread, so two processes do nearly twice the work.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from hwnas.errors import HwnasError
from hwnas.layers import LayerSpec
from hwnas.progress import Progress, silent
from hwnas.training.config import NetworkConfig
from hwnas.training.data import DataSet
from hwnas.training.evaluation import accuracy
from hwnas.training.fine_tune import train_network

_TOLD_EVERY = 20  # steps


def train_side_by_side(
    networks: Mapping[str, tuple[LayerSpec, ...]],
    data: DataSet,
    config: NetworkConfig,
    on_progress: Progress = silent,
) -> Iterator[tuple[str, float]]:
    """Label and test accuracy, in percent, of each network as soon as it is trained.

    Args:
        networks: Layers by label.
        data: What they learn.
        config: How; the number of threads in its recipe is not used.
        on_progress: Told of each network's steps.

    Raises:
        HwnasError: A process ended before its network was trained.
    """
    config = replace(config, recipe=replace(config.recipe, threads=1))
    waiting = list(networks.items())
    running: dict[Connection, tuple[str, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                label, layers = waiting.pop(0)
                connection, process = _start(layers, data, config)
                running[connection] = (label, process)
            for connection in [one for one in wait(list(running)) if isinstance(one, Connection)]:
                label, process = running[connection]
                message = _received(connection, label)
                if isinstance(message, float):
                    process.join()
                    del running[connection]
                    yield label, message
                else:
                    on_progress(f"training {label}", *message)
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _start(
    layers: tuple[LayerSpec, ...], data: DataSet, config: NetworkConfig
) -> tuple[Connection, BaseProcess]:
    # a forked process would inherit torch's threads in an unknown state
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(layers, data, config, sender), daemon=True)
    process.start()
    sender.close()  # so that the end of the process is the end of the pipe
    return receiver, process


def _train(
    layers: tuple[LayerSpec, ...], data: DataSet, config: NetworkConfig, sender: Connection
) -> None:
    def tell(task: str, done: float, total: float, note: str = "") -> None:
        del task
        if done % _TOLD_EVERY == 0 or done >= total:
            sender.send((done, total, note))  # fails, and so ends this process, with the parent

    network = train_network(layers, data, config, tell)
    sender.send(accuracy(network, layers, data.test))


def _received(connection: Connection, label: str) -> float | tuple[float, float, str]:
    try:
        message: float | tuple[float, float, str] = connection.recv()
    except EOFError as error:
        raise HwnasError(
            f"The process that trained {label} ended early; is there enough memory? Run the same "
            "command again: what was trained is kept."
        ) from error
    return message
