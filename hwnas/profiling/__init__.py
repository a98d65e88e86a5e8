"""Profiling: what to measure, measuring it, and how good the resulting table is."""

from hwnas.profiling.measure import measure_model, measure_models
from hwnas.profiling.table import profile

__all__ = ["measure_model", "measure_models", "profile"]
