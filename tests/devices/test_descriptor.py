from pathlib import Path

import pytest

from hwnas.devices import device_names, load_device, reachable
from hwnas.errors import FileFormatError, UnknownNameError


def written(folder: Path, text: str, name: str = "board.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_host_is_known_and_reachable() -> None:
    assert "host" in device_names()
    host = load_device("host")
    assert (host.name, host.transport, host.python) == ("host", "local", ())
    assert reachable(host) is None


def test_horowitz_figures_are_the_default_energy_model(tmp_path: Path) -> None:
    energy = load_device(written(tmp_path, 'title = "A board"')).energy
    assert energy.pj_per_fp32_mac == pytest.approx(3.7 + 0.9)
    assert energy.pj_per_int8_mac == pytest.approx(0.2 + 0.03)
    assert energy.pj_per_byte == pytest.approx(640 / 4)
    assert "Horowitz" in energy.source


def test_a_device_may_say_which_precisions_it_has(tmp_path: Path) -> None:
    assert load_device("host").precisions == ()
    path = written(tmp_path, 'title = "An accelerator"\nprecisions = ["int8"]')
    assert load_device(path).precisions == ("int8",)


def test_a_precision_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, 'title = "x"\nprecisions = ["in8"]')
    with pytest.raises(UnknownNameError, match="Did you mean 'int8'"):
        load_device(path)


def test_every_shipped_device_file_reads() -> None:
    for name in device_names():
        assert load_device(name).name == name


def test_the_working_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devices").mkdir()
    written(tmp_path / "devices", 'title = "Mine"', "host.toml")
    written(tmp_path / "devices", 'title = "Pi"', "pi.toml")
    monkeypatch.chdir(tmp_path)
    assert load_device("host").title == "Mine"
    assert {"host", "pi"} <= set(device_names())


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'host'"):
        load_device("hots")


@pytest.mark.parametrize("name", ["../host", "a/b", "", "x; rm", "-x"])
def test_a_name_that_is_no_name_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError):
        load_device(name)


@pytest.mark.parametrize(("text", "message"), [
    ("", "title is required"),
    ('title = "x"\ntransprot = "local"', "did you mean 'transport'"),
    ('title = "x"\npython = "python3"', "python is"),
    ('title = "x"\nname = "y"', "named by its file"),
    ('title = "x"\n[energy]\npj_per_byte = -1.0', "pj_per_byte is -1.0"),
    ('title = "x"\n[energy]\npj_per_fp32_mac = nan', "pj_per_fp32_mac is"),
    ('title = "x"\n[energy]\npj_per_mac = 1.0', "pj_per_mac is not a known key"),
    ("title = ", "not valid TOML"),
])  # fmt: skip
def test_a_wrong_device_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=message):
        load_device(written(tmp_path, text))


def test_a_device_file_needs_a_name_that_can_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="rename the file"):
        load_device(written(tmp_path, 'title = "x"', "my board.toml"))


def test_an_unknown_transport_names_the_known_ones(tmp_path: Path) -> None:
    device = load_device(written(tmp_path, 'title = "x"\ntransport = "carrier_pigeon"'))
    with pytest.raises(UnknownNameError, match=r"Known: .*local"):
        reachable(device)


def test_a_python_that_is_not_there_makes_a_device_unreachable(tmp_path: Path) -> None:
    device = load_device(written(tmp_path, 'title = "x"\npython = ["no-such-python"]'))
    reason = reachable(device)
    assert reason is not None
    assert "no-such-python" in reason
