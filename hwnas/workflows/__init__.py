"""The user stories as plain functions: what the commands call and what notebooks import.

Each is imported when first used: listing devices need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwnas.workflows.device_check import check_device as check_device
    from hwnas.workflows.experiment import Experiment as Experiment
    from hwnas.workflows.experiment import load_experiment as load_experiment
    from hwnas.workflows.finalists import measure_finalists as measure_finalists
    from hwnas.workflows.known_devices import add_device as add_device
    from hwnas.workflows.known_devices import devices as devices
    from hwnas.workflows.model_card import ModelCard as ModelCard
    from hwnas.workflows.options import experiment_from_options as experiment_from_options
    from hwnas.workflows.options import training_from_options as training_from_options
    from hwnas.workflows.pipeline import Outcome as Outcome
    from hwnas.workflows.pipeline import quickstart as quickstart
    from hwnas.workflows.pipeline import run as run
    from hwnas.workflows.plotting import plot as plot
    from hwnas.workflows.population_costs import costs as costs
    from hwnas.workflows.predicted_accuracy import predictor_scores as predictor_scores
    from hwnas.workflows.profiling import energy_sentence as energy_sentence
    from hwnas.workflows.profiling import measure as measure
    from hwnas.workflows.profiling import profile as profile
    from hwnas.workflows.profiling import quality_sentence as quality_sentence
    from hwnas.workflows.references import measure_references as measure_references
    from hwnas.workflows.references import train_references as train_references
    from hwnas.workflows.researching import research as research
    from hwnas.workflows.runs import front as front
    from hwnas.workflows.runs import load_run as load_run
    from hwnas.workflows.searching import resume as resume
    from hwnas.workflows.searching import search as search
    from hwnas.workflows.several_devices import profile_devices as profile_devices
    from hwnas.workflows.shipping import export as export
    from hwnas.workflows.table_files import import_table as import_table
    from hwnas.workflows.table_files import load_table as load_table
    from hwnas.workflows.table_files import tables as tables
    from hwnas.workflows.table_plot import plot_table as plot_table
    from hwnas.workflows.table_quality import table_facts as table_facts
    from hwnas.workflows.table_quality import table_paths as table_paths
    from hwnas.workflows.table_quality import verification_sentence as verification_sentence
    from hwnas.workflows.table_quality import verify_table as verify_table
    from hwnas.workflows.training import Training as Training
    from hwnas.workflows.training import train as train
    from hwnas.workflows.transferring import transfer as transfer
    from hwnas.workflows.transferring import transfer_sentence as transfer_sentence

_HOMES = {
    "device_check": ("check_device",),
    "finalists": ("measure_finalists",),
    "experiment": ("Experiment", "load_experiment"),
    "options": ("experiment_from_options", "training_from_options"),
    "known_devices": ("add_device", "devices"),
    "model_card": ("ModelCard",),
    "pipeline": ("Outcome", "quickstart", "run"),
    "plotting": ("plot",),
    "several_devices": ("profile_devices",),
    "predicted_accuracy": ("predictor_scores",),
    "profiling": ("energy_sentence", "measure", "profile", "quality_sentence"),
    "references": ("measure_references", "train_references"),
    "population_costs": ("costs",),
    "researching": ("research",),
    "runs": ("front", "load_run"),
    "searching": ("resume", "search"),
    "shipping": ("export",),
    "table_files": ("import_table", "load_table", "tables"),
    "table_plot": ("plot_table",),
    "table_quality": (
        "table_facts",
        "table_paths",
        "verification_sentence",
        "verify_table",
    ),
    "transferring": ("transfer", "transfer_sentence"),
    "training": ("Training", "train"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
