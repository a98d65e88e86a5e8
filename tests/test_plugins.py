"""Plug-ins are the modules of a package, found in a package made for the test."""

import pytest

from hwnas import plugins
from hwnas.errors import UnknownNameError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    package = tmp_path / f"plugins_of_{tmp_path.name}"  # imported modules outlive a test
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "fast.py").write_text("SPEED = 9\n")
    (package / "_shared.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def test_every_module_without_an_underscore_is_a_plugin(folder):
    (folder / "slow.py").write_text("")
    assert plugins.names(folder.name) == ("fast", "slow")


def test_a_plugin_is_loaded_by_its_file_name(folder):
    assert plugins.load(folder.name, "fast", what="speed").SPEED == 9


def test_an_unknown_plugin_is_answered_with_the_known_ones_and_the_nearest(folder):
    with pytest.raises(UnknownNameError) as caught:
        plugins.load(folder.name, "fsat", what="speed")
    assert str(caught.value) == "Unknown speed 'fsat'. Did you mean 'fast'? Known: fast."


def test_a_module_with_an_underscore_is_no_plugin_even_by_name(folder):
    with pytest.raises(UnknownNameError, match="Unknown speed '_shared'"):
        plugins.load(folder.name, "_shared", what="speed")
