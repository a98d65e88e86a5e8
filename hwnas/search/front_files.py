"""The front as files: for programs, for spreadsheets, and for people."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwnas import files
from hwnas.problem import Objective
from hwnas.search.archive import read_archive
from hwnas.search.run import FrontMember, Run


@dataclass(frozen=True, slots=True)
class Departure:
    """A network that was on the front as it was predicted, and is not as it was measured.

    Attributes:
        member: The network.
        reason: Why, in words, such as ``breaks latency_ms<=2.5``.
    """

    member: FrontMember
    reason: str


def departures(run: Run) -> tuple[Departure, ...]:
    """The networks that measuring has taken off the front, best first objective first."""
    if not run.measured:
        return ()
    before = run.front_of(run.evaluations.values, run.evaluations.stds, run.config.dominance)
    left = np.flatnonzero(before & ~run.on_front)
    return tuple(Departure(member, _reason(run, member)) for member in run.members(left))


def write_front(run: Run) -> None:
    """Write ``front.json``, ``front.csv`` and ``front.md``; equal logs give equal bytes.

    Raises:
        StorageError: There was no room; earlier files are untouched.
    """
    sources = read_archive(run.directory).sources
    content = {
        "space": run.space.name,
        "objectives": [files.to_plain(objective) for objective in run.objectives],
        "budgets": [str(budget) for budget in run.budgets],
        "dominance": run.config.dominance,
        "evaluations": int(run.complete.sum()),
        "front": [_plain(member, sources.get(member.row)) for member in run.front],
        "left_when_measured": [
            {**_plain(departure.member), "reason": departure.reason}
            for departure in departures(run)
        ],
    }
    files.write_json(run.directory / "front.json", content)
    files.write_text(run.directory / "front.csv", _csv(run))
    files.write_text(run.directory / "front.md", _markdown(run))


def front_table(run: Run, members: Sequence[FrontMember]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows that show networks in the objectives and in what budgets bound.

    A quantity that was measured has two columns, measured and predicted; the first is empty for
    a network that was not measured. Estimates stand with their standard deviations.
    """
    bounded = {budget.objective for budget in run.budgets}
    shown = [q for q in run.config.quantities if q in run.objectives or q.name in bounded]
    columns, cells = ["id"], [[member.id] for member in members]
    for quantity in shown:
        if quantity.name in run.measured:
            columns += [f"{quantity.title}, measured", "predicted"]
        else:
            columns.append(quantity.title)
        for row, member in zip(cells, members, strict=True):
            row += _cells(run, quantity, member)
    return columns, cells


def _cells(run: Run, quantity: Objective, member: FrontMember) -> list[str]:
    name = quantity.name
    known = quantity.format(member.values[name], member.stds.get(name))
    if name not in run.measured:
        return [known]
    if name not in member.predicted:
        return ["", known]
    index = run.evaluations.ids.index(member.id)
    std = run.evaluations.stds[name][index] if name in run.evaluations.stds else np.nan
    return [known, quantity.format(member.predicted[name], None if np.isnan(std) else float(std))]


def _reason(run: Run, member: FrontMember) -> str:
    index = run.evaluations.ids.index(member.id)
    broken = [
        str(budget)
        for budget, beyond in zip(run.budgets, run.violations[index], strict=True)
        if beyond != 0
    ]
    return f"breaks {', '.join(broken)}" if broken else "dominated"


def _plain(member: FrontMember, source: str | None = None) -> dict[str, object]:
    content: dict[str, object] = {
        "id": member.id,
        "genes": list(member.row),
        "architecture": member.architecture,
        "values": dict(member.values),
        "std": dict(member.stds),
    }
    if member.predicted:
        content["measured"] = list(member.predicted)
        content["predicted"] = dict(member.predicted)
    if source is not None:
        content["evaluated_by"] = source
    return content


def _csv(run: Run) -> str:
    names = [quantity.name for quantity in run.config.quantities]
    doubted = [name for name in names if name in run.stds]
    measured = [name for name in names if name in run.measured]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    columns = [f"{name}_std" for name in doubted] + [f"{name}_predicted" for name in measured]
    writer.writerow(["id", *names, *columns, "architecture"])
    for member in run.front:
        found = [repr(member.values[name]) for name in names]
        found += [_or_empty(member.stds.get(name)) for name in doubted]
        found += [_or_empty(member.predicted.get(name)) for name in measured]
        writer.writerow([member.id, *found, json.dumps(member.architecture)])
    return table.getvalue()


def _or_empty(value: float | None) -> str:
    return "" if value is None else repr(value)


def _markdown(run: Run) -> str:
    within = f" within {', '.join(map(str, run.budgets))}" if run.budgets else ""
    parts = [
        f"# Front of {run.space.name}{within}",
        f"{len(run.front)} networks after {int(run.complete.sum())} evaluations. {_how(run)}",
        _rows(*front_table(run, run.front)),
    ]
    left = departures(run)
    if left:
        columns, rows = front_table(run, [departure.member for departure in left])
        reasons = [[*row, one.reason] for row, one in zip(rows, left, strict=True)]
        parts += ["## Left the front when measured", _rows([*columns, "reason"], reasons)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how(run: Run) -> str:
    """What the numbers are."""
    if not run.measured:
        return "Numbers are estimates; ± is one standard deviation, where the estimator states it."
    return (
        "Measured numbers are medians on the device, drift divided out; ± is their standard error. "
        "Beside them stands what was predicted, ± one standard deviation."
    )


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
