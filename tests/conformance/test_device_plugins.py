import ast
import importlib
import inspect
from pathlib import Path

import pytest

from hwnas import plugins
from hwnas.graphs import __path__ as graph_folder

RUNTIMES = plugins.names("hwnas.runtimes")
FORMATS = plugins.names("hwnas.graphs")
TRANSPORTS = plugins.names("hwnas.devices.transports")


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_offers_what_the_agent_and_the_client_call(name):
    module = plugins.load("hwnas.runtimes", name, what="runtime")
    assert module.MODEL_FORMAT in FORMATS
    assert module.PRECISIONS
    assert list(inspect.signature(module.load).parameters) == ["path", "threads"]
    assert list(inspect.signature(module.outputs).parameters) == ["path", "inputs"]
    assert isinstance(module.version(), str)


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_file_is_python_3_8_and_imports_nothing_of_hwnas(name):
    module = plugins.load("hwnas.runtimes", name, what="runtime")
    tree = ast.parse(Path(module.__file__).read_text(), feature_version=(3, 8))
    imported = {
        getattr(node, "module", None) or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not any(name.partition(".")[0] == "hwnas" for name in imported)


@pytest.mark.parametrize("name", FORMATS)
def test_a_graph_writer_offers_lower_and_check(name):
    module = importlib.import_module(f"hwnas.graphs.{name}")
    expected = ["layers", "weights", "precision", "calibration", "inner"]
    assert list(inspect.signature(module.lower).parameters) == expected
    assert "fp32" in module.PRECISIONS
    module.check(module.lower([], []))
    assert Path(module.__file__).parent == Path(next(iter(graph_folder)))


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_transport_offers_create_and_reachable(name):
    module = plugins.load("hwnas.devices.transports", name, what="transport")
    assert list(inspect.signature(module.create).parameters) == ["device", "workdir"]
    assert list(inspect.signature(module.reachable).parameters) == ["device"]
