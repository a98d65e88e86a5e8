"""Searching: what is asked of the space, evaluated, recorded, resumed, and chosen from."""

from hwnas.search.feasibility import Bounds, check_budgets, extremes
from hwnas.search.finalists import Finalist, append_finalists
from hwnas.search.front_files import departures, front_table, write_front
from hwnas.search.indicators import hypervolume_history
from hwnas.search.log import locked
from hwnas.search.loop import search
from hwnas.search.nearest import shortfall
from hwnas.search.picking import pick, preferred
from hwnas.search.run import Evaluations, FrontMember, Run, RunConfig

__all__ = [
    "Bounds",
    "Evaluations",
    "Finalist",
    "FrontMember",
    "Run",
    "RunConfig",
    "append_finalists",
    "check_budgets",
    "departures",
    "extremes",
    "front_table",
    "hypervolume_history",
    "locked",
    "pick",
    "preferred",
    "search",
    "shortfall",
    "write_front",
]
