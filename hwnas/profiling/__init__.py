"""Profiling: what to measure, measuring it, and how good the resulting table is."""

from hwnas.profiling.measure import measure_model, measure_models
from hwnas.profiling.table import HELD_OUT, NETWORKS, profile

__all__ = ["HELD_OUT", "NETWORKS", "measure_model", "measure_models", "profile"]
