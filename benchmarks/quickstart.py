"""What does the quickstart end with, and does a hand-made network of the same speed do better?

Question: how long does `hwnas quickstart` take from nothing, how much memory, how accurate is the
exported file on the test images, how far is its predicted latency from the measured one; and what
does every hand-made network reach that is not slower on this machine, trained from scratch with the
same recipe for the same number of images? And what do the same network's other files do, in
TFLite and in int8?

    python -m benchmarks.quickstart [--out DIR]

Hardware: whatever it runs on; the result file says which. Expected on two x86-64 cores: 5 to 8
minutes, under 3 GB, test accuracy 87.5 to 89.5 %, more than every hand-made network that is not
slower, prediction within 15 %. Training the hand-made networks takes some minutes more.

A directory that holds a finished quickstart is used as it is, without a figure of time.
"""

import argparse
import resource
import time
from pathlib import Path

from benchmarks import _results
from hwnas import files, workflows


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    directory = parser.parse_args().out

    fresh = not (directory / "config.json").exists()
    start = time.perf_counter()
    outcome = workflows.quickstart(directory)
    seconds = time.perf_counter() - start
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    card = outcome.card
    print(f"{seconds:.0f} s, {peak_mib:.0f} MiB")
    for one in outcome.cards:
        print(f"{one.file.name}: {one.accuracy_file:.2f} % at {one.latency_measured_ms:.4g} ms")

    references = workflows.train_references(directory, card, count=-1)
    workflows.plot(directory)
    for network in references.not_slower:
        print(f"{network.label}: {network.accuracy:.2f} % at {network.values['latency_ms']:.4g} ms")
    result = {
        "wall_s": round(seconds, 1) if fresh else None,
        "peak_rss_mib": round(peak_mib) if fresh else None,
        "card": _plain(card),
        "cards": [_plain(one) for one in outcome.cards],
        "latency_error_percent": _error_percent(card),
        "latency_session_ms": references.model_latency_ms,
        "references_not_slower": [files.to_plain(network) for network in references.not_slower],
        "better_than_all_of_them": all(
            card.accuracy_file > (network.accuracy or 0.0) for network in references.not_slower
        ),
    }
    print(f"written to {_results.write('quickstart', result)}")


def _plain(card: workflows.ModelCard) -> dict[str, object]:
    return {**files.to_plain(card), "file": card.file.name}


def _error_percent(card: workflows.ModelCard) -> float | None:
    if card.latency_predicted_ms is None:
        return None
    return round(100 * (card.latency_predicted_ms / card.latency_measured_ms - 1), 2)


if __name__ == "__main__":
    main()
