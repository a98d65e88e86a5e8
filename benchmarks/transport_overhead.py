"""Does timing through ssh change what is timed?

Question: for ten random networks of `mbv3_small_32` with ONNX Runtime, one thread, timed on this
machine as a local device and, in turn, through an OpenSSH server of its own on loopback: what is
the ratio of the medians, network by network, beside the ratio of two halves of the same
measurements of either way; and how long does a job of 40 visits take either way?

    python -m benchmarks.transport_overhead

Hardware: whatever it runs on, with `sshd` installed; the result file says which. Expected: the
median over the networks of how far the ratio is from 1 is no larger than that of two halves of one
way, a few per cent on two shared x86-64 cores; over ssh a job takes about a second longer.
"""

from benchmarks import _results

_results.one_thread()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import os  # noqa: E402
import pwd  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from hwnas.devices import Device, load_device, reachable  # noqa: E402
from hwnas.graphs import onnx  # noqa: E402
from hwnas.layer_weights import random_weights  # noqa: E402
from hwnas.profiling import measure_models  # noqa: E402
from hwnas.profiling.discipline import Discipline  # noqa: E402
from hwnas.protocols import architecture_layers  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

SPACE = "mbv3_small_32"
NETWORKS = 10
VISITS = 4  # to each network, in each turn


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Device]:
    """This machine behind an ssh server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", folder / name], check=True)
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "config").write_text(f"UserKnownHostsFile {folder}/known_hosts\n")
    (folder / "sshd").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/client.pub\nStrictModes no\nSubsystem sftp internal-sftp\n"
        "SetEnv SHLVL=1\n"  # what the user's .bashrc takes is not what is asked
    )
    with contextlib.suppress(PermissionError):
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root locks itself up
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    device = Device(
        "loopback",
        "This machine, through ssh",
        transport="ssh",
        python=(sys.executable,),
        options={
            "host": "127.0.0.1", "port": port, "user": pwd.getpwuid(os.getuid()).pw_name,
            "identity_file": str(folder / "client"), "config_file": str(folder / "config"),
            "workdir": str(folder),
        },
    )  # fmt: skip
    with subprocess.Popen([program, "-D", "-f", folder / "sshd"]) as server:
        try:
            while server.poll() is None and reachable(device):
                time.sleep(0.2)
            yield device
        finally:
            server.terminate()


def written(folder: Path) -> list[Path]:
    """Random networks as files."""
    rng, space = np.random.default_rng(0), load_space(SPACE)
    paths = []
    for i, row in enumerate(space.sample(NETWORKS, rng)):
        layers = architecture_layers(space, row)
        paths.append(folder / f"network{i}.onnx")
        paths[-1].write_bytes(onnx.lower(layers, random_weights(layers, rng)))
    return paths


def measured(
    devices: Sequence[Device], models: Sequence[Path], turns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Medians in ms, shape (devices, turns, networks), and seconds, shape (devices, turns).

    The devices take turns, each being the first as often as the other.
    """
    medians = np.empty((len(devices), turns, len(models)))
    seconds = np.empty((len(devices), turns))
    discipline = Discipline(network_rounds=VISITS)
    for turn in range(turns):
        order = range(len(devices))
        for i in order if turn % 2 == 0 else reversed(order):
            start = time.perf_counter()
            found = measure_models(devices[i], models, seed=turn, discipline=discipline)
            seconds[i, turn] = time.perf_counter() - start
            medians[i, turn] = [one.median_ms for one in found]
        print(f"turn {turn + 1} of {turns}: {seconds[:, turn].round(1)} s", flush=True)
    return medians, seconds


def halves(medians: np.ndarray) -> np.ndarray:
    """Ratio of the medians of two interleaved halves of one way's turns, network by network."""
    # turns in pairs: each half has either order equally often
    first = np.arange(len(medians)) % 4 < 2
    ratio: np.ndarray = np.median(medians[first], axis=0) / np.median(medians[~first], axis=0)
    return ratio


def off(ratio: np.ndarray) -> float:
    """How far ratios are from 1, in percent: the median."""
    return round(100 * float(np.median(np.abs(ratio - 1))), 2)


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=24, help="A multiple of 4.")
    turns = 4 * max(1, parser.parse_args().turns // 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with loopback(folder) as device:
            medians, seconds = measured((load_device("host"), device), written(folder), turns)
    (local, ssh), (local_s, ssh_s) = medians, seconds
    ratios = np.median(ssh, axis=0) / np.median(local, axis=0)
    print("network   local ms   ssh ms   ssh/local   local halves   ssh halves")
    rows = zip(
        np.median(local, axis=0), np.median(ssh, axis=0), ratios, halves(local), halves(ssh),
        strict=True,
    )  # fmt: skip
    table = [[round(float(value), 4) for value in row] for row in rows]
    for i, (local_ms, ssh_ms, ratio, local_half, ssh_half) in enumerate(table):
        print(f"{i:7}{local_ms:11.3f}{ssh_ms:9.3f}{ratio:12.3f}{local_half:15.3f}{ssh_half:13.3f}")
    result = {
        "space": SPACE,
        "turns": turns,
        "visits_a_turn": VISITS,
        "columns": ["local_ms", "ssh_ms", "ssh/local", "local halves", "ssh halves"],
        "networks": table,
        "ratio_off_percent": off(ratios),
        "ratio_median": round(float(np.median(ratios)), 4),
        "local_halves_off_percent": off(halves(local)),
        "ssh_halves_off_percent": off(halves(ssh)),
        "job_s": {
            "local": round(float(np.median(local_s)), 2),
            "ssh": round(float(np.median(ssh_s)), 2),
        },
    }
    print({key: value for key, value in result.items() if "percent" in key or key == "job_s"})
    print(f"written to {_results.write('transport_overhead', result)}")


if __name__ == "__main__":
    main()
