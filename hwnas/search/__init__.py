"""Searching: what is asked of the space, evaluated, recorded, resumed, and chosen from."""

from hwnas.search.feasibility import Bounds, check_budgets, extremes
from hwnas.search.indicators import hypervolume_history
from hwnas.search.log import locked
from hwnas.search.loop import search
from hwnas.search.picking import pick
from hwnas.search.run import Evaluations, FrontMember, Run, RunConfig, write_front

__all__ = [
    "Bounds",
    "Evaluations",
    "FrontMember",
    "Run",
    "RunConfig",
    "check_budgets",
    "extremes",
    "hypervolume_history",
    "locked",
    "pick",
    "search",
    "write_front",
]
