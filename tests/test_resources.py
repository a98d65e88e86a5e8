"""Shipped files are found, and files in the working folder come before them."""

from pathlib import Path

import pytest

from hwnas import resources

SHIPPED = sorted(resources.folders("devices")[1].glob("*.toml"))


def test_the_working_folder_comes_before_what_was_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = resources.folders("devices")
    assert first == tmp_path / "devices"
    assert second.is_dir()
    assert second != first


def test_a_file_that_is_nowhere_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resources.find("devices", "no such device.toml") is None


def test_a_file_in_the_working_folder_is_found_and_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "latency_tables" / "my_board" / "table.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    assert resources.find("latency_tables", "my_board/table.json") == mine
    assert resources.available("latency_tables", "*/*.json")["my_board/table.json"] == mine


@pytest.mark.skipif(not SHIPPED, reason="no device is shipped")
def test_a_file_of_the_same_name_as_a_shipped_one_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = SHIPPED[0].name
    assert resources.find("devices", name) == SHIPPED[0]
    mine = tmp_path / "devices" / name
    mine.parent.mkdir()
    mine.write_text("")
    assert resources.find("devices", name) == mine
    listed = resources.available("devices", "*.toml")
    assert listed[name] == mine
    assert {Path(path).name for path in listed} >= {path.name for path in SHIPPED}
