"""How good a latency table is: what it states of itself, and whether that still holds."""

from pathlib import Path

from hwnas import resources
from hwnas.calibration.residual import Residual
from hwnas.devices import load_device
from hwnas.errors import InputError, UnknownNameError
from hwnas.imported_table import AnyTable, ImportedLatencyTable, read_table
from hwnas.latency_table import LatencyTable, Quality, find_table, profile_command, table_path
from hwnas.measurement import DeviceState, Provenance
from hwnas.profiling.target import Target
from hwnas.profiling.verification import Verification, read_verifications, verify
from hwnas.progress import Progress, silent
from hwnas.spaces import from_definition, load_space
from hwnas.table_transfer import Transferred

Facts = tuple[tuple[str, str], ...]
"""What is said of something, each with a name."""


def table_paths(name: str | Path) -> tuple[Path, ...]:
    """The latency tables that a file or a device's name stands for.

    Raises:
        UnknownNameError: There is no such file, and no device of that name has a table.
    """
    if Path(name).is_file():
        return (Path(name),)
    every = resources.available("latency_tables", "*/*.json")
    found = {key: path for key, path in every.items() if path.parent.name == str(name)}
    if not found:
        known = {path.parent.name for path in every.values()}
        raise UnknownNameError("device with latency tables", str(name), known)
    return tuple(path for _, path in sorted(found.items()))


def table_facts(path: str | Path) -> Facts:
    """All that a latency table says of itself.

    Raises:
        FileFormatError: The file is damaged, or no latency table.
    """
    table = read_table(Path(path))
    facts = [("device", table.device), ("measured with", _way(table))]
    if isinstance(table, ImportedLatencyTable):
        facts += [("source", table.source), ("layers", str(len(table.layers)))]
        return (*facts, ("statement", table.statement))
    facts += [("space", str(table.space.get("name", ""))), ("layers", str(len(table.layers)))]
    facts += _quality_facts(table)
    for i, origin in enumerate(table.sessions, start=1):
        facts.append((f"session {i}", _session(origin)))
    for found in read_verifications(Path(path)):
        facts.append((f"verified {found.origin.date[:10]}", verification_sentence(found)))
    return tuple(facts)


def verify_table(
    device: str | Path,
    *,
    space: str | Path = "ofa_mbv3_w1.0",
    runtime: str = "onnxruntime",
    precision: str = "fp32",
    threads: int = 1,
    networks: int = 12,
    folder: str | Path = "latency_tables",
    on_progress: Progress = silent,
) -> Verification:
    """Measure fresh random networks on a device: does its latency table still hold?

    What was measured is kept beside the table, in ``<table>.verified.jsonl``.

    Args:
        device: Name or TOML file of the device.
        space: Preset or TOML file of the space that the table was profiled for.
        runtime: A file name in ``hwnas/runtimes``.
        precision: Of the models.
        threads: Of the runtime.
        networks: How many.
        folder: Where tables are kept.
        on_progress: Told after each visit.

    Raises:
        InputError: There is no such table, or it states nothing that could hold.
        DeviceError: The device was lost or cannot run a network.
    """
    found = load_device(device)
    name = load_space(space).name
    own = table_path(
        Path(folder), found.name, space=name, runtime=runtime, precision=precision, threads=threads
    )
    path = own if own.is_file() else find_table(
        found.name, space=name, runtime=runtime, precision=precision, threads=threads
    )  # fmt: skip
    if path is None:
        command = profile_command(
            found.name, space=str(space), runtime=runtime, precision=precision, threads=threads
        )
        raise InputError(
            f"There is no latency table of {found.name} for space {name} with {runtime}, "
            f"{precision}, threads: {threads}; measure it with: {command}."
        )
    table = LatencyTable.read(path)
    return verify(
        table, Target(found, runtime, precision, threads),
        from_definition(table.space, source=str(path)), path=own, networks=networks,
        on_progress=on_progress,
    )  # fmt: skip


def verification_sentence(found: Verification) -> str:
    """Whether a table holds, with the figures."""
    stated = "" if found.stated_mape is None else f", stated {found.stated_mape:.1f} %"
    covered = ""
    if found.coverage_90 is not None:
        covered = f", {found.coverage_90:.0f} % within their 90 % intervals"
    verdict = "holds" if found.holds else f"does not hold: {'; '.join(found.faults)}"
    changed = f" Since it was measured: {'; '.join(found.changes)}." if found.changes else ""
    return (
        f"{len(found.networks)} fresh networks: {found.mape:.1f} % mean absolute error{stated}, "
        f"bias {found.bias:+.1f} %{covered}; two halves of the measurements differ by "
        f"{found.repeatability_mape:.1f} %; the canary network takes {found.drift:.2f} times its "
        f"usual. The table {verdict}.{changed}"
    )


def _quality_facts(table: LatencyTable) -> list[tuple[str, str]]:
    if table.transferred is not None:
        return _transfer_facts(table, table.transferred)
    facts = [("boundary, scale", f"{table.boundary_ms:.4g} ms, {table.scale:.4g}")]
    if table.calibration is not None:
        facts.append(("not additive", f"{100 * table.calibration.noise:.1f} %, with the noise"))
    if table.residual is not None:
        facts.append(("second model", _second_model(table.residual)))
    if table.quality is None:
        return [*facts, ("own error", "unknown: no networks were held out")]
    return [*facts, *_figures(table.quality)]


def _transfer_facts(table: LatencyTable, transferred: Transferred) -> list[tuple[str, str]]:
    facts = [("statement", transferred.statement)]
    for i, donor in enumerate(transferred.donors, start=1):
        threads = "unknown" if donor.threads is None else str(donor.threads)
        error = "unknown" if donor.mape is None else f"{donor.mape:.1f} %"
        way = f"{donor.runtime or 'an unknown runtime'}, {donor.precision}, threads: {threads}"
        facts.append((f"donor {i}", f"{donor.device}, {way}; own error: {error}"))
    if table.quality is None:
        return [*facts, ("own error", "unknown: no networks were held out")]
    names = {"scaled sums": "nearest donor, scaled", "plain sums": "nearest donor"}
    return facts + [(names.get(name, name), told) for name, told in _figures(table.quality)]


def _second_model(model: Residual) -> str:
    return (
        f"beside sums of layers, by neighbours and totals: {model.error:.1f} % against "
        f"{model.additive_error:.1f} % on networks left out in turns"
    )


def _figures(quality: Quality) -> list[tuple[str, str]]:
    covered = "none stated" if quality.coverage_90 is None else f"{quality.coverage_90:.0f} %"
    return [
        ("fitted on", f"{quality.calibrated_on} whole networks"),
        ("held out", f"{quality.networks} random whole networks; of these:"),
        ("mean absolute error", f"{quality.mape:.2f} %"),
        ("bias", f"{quality.bias:+.2f} %"),
        ("within 5 %, 10 %", f"{quality.within_5:.0f} %, {quality.within_10:.0f} %"),
        ("Spearman", f"{quality.spearman:.4f}"),
        ("in 90 % intervals", covered),
        ("scaled sums", f"{quality.scaled_mape:.2f} %"),
        ("plain sums", f"{quality.unscaled_mape:.2f} %, bias {quality.unscaled_bias:+.2f} %"),
        (
            "two halves",
            f"{quality.repeatability_mape:.2f} %, Spearman {quality.repeatability_spearman:.4f}",
        ),
    ]


def _way(table: AnyTable) -> str:
    threads = "unknown" if table.threads is None else str(table.threads)
    return f"{table.runtime or 'an unknown runtime'}, {table.precision}, threads: {threads}"


def _session(origin: Provenance) -> str:
    after = "" if origin.after is None else f"; after: {_state(origin.after)}"
    steady = ""
    if origin.stability is not None:
        seen = origin.stability
        steady = (
            f"; {seen.drifted} of {seen.stretches} stretches drifted, canary {seen.canary_low:.2f} "
            f"to {seen.canary_high:.2f} times its usual"
        )
    return (
        f"{origin.date}, {origin.command}; hwnas {origin.hwnas_version}, runtime "
        f"{origin.runtime_version}; {origin.cpu}, {origin.os}, cores "
        f"{', '.join(map(str, origin.cores)) or 'any'}; {origin.rounds} visits of at least "
        f"{origin.min_samples} samples; before: {_state(origin.before)}{after}{steady}"
    )


def _state(state: DeviceState) -> str:
    told = {
        "governor {}": state.governor,
        "{:.0f} MHz": state.frequency_mhz,
        "{:.0f} °C": state.temperature_c,
        "battery {} %": state.battery_percent,
    }
    return ", ".join(text.format(value) for text, value in told.items() if value is not None) or (
        "nothing known"
    )
