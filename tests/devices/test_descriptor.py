from pathlib import Path

import pytest

from hwnas.devices import Cores, Device, device_names, load_device, reachable
from hwnas.devices.descriptor import Option
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


def test_what_a_device_is_made_of_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'title = "x"\n[hardware]\nidle_w = 2.0\nload_w = 5\n'
        '[[hardware.cores]]\nname = "Cortex-A76"\ncount = 4\nmax_mhz = 2400',
    )
    hardware = load_device(path).hardware
    assert hardware.cores == (Cores("Cortex-A76", 4, 2400.0),)
    assert (hardware.idle_w, hardware.load_w, hardware.memory_gb) == (2.0, 5.0, None)


@pytest.mark.parametrize(("options", "way"), [
    ({}, "ssh"),
    ({"host": "pi"}, "ssh pi"),
    ({"host": "pi", "user": "me", "port": 22}, "ssh me@pi"),
    ({"serial": "1A2B"}, "ssh 1A2B"),
])  # fmt: skip
def test_the_way_to_a_device_reads_like_an_address(options: dict[str, Option], way: str) -> None:
    assert Device("board", "A board", transport="ssh", options=options).way == way


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
    ('title = "x"\npython = ["", "a"]', "python holds an empty word"),
    ('title = "a\\nb"', "title is 'a.nb'; expected one line of printable text"),
    ('title = "x"\n[options]\nhost = "a\\u0000b"', "options.host is 'a.x00b'"),
    ('title = "x"\n[options]\n"\\u001b[2J" = 1', "2J. is not a known key"),
    ('title = "x"\n[options]\nport = inf', "options.port is inf"),
    ('title = "x"\n[measuring]\ncores = [1, 1]', "measuring.cores is .1, 1."),
    ('title = "x"\n[measuring]\ncores = [-1]', "measuring.cores is .-1."),
    ('title = "x"\n[measuring]\ncool_down_s = -1.0', "measuring.cool_down_s is -1.0"),
    ('title = "x"\n[hardware]\nmemory_gb = -4.0', "hardware.memory_gb is -4.0"),
    ('title = "x"\n[hardware]\nmemory = 4.0', "hardware.memory is not a known key"),
    ('title = "x"\n[hardware]\nidle_w = 3.0\nload_w = 2.0', "load_w is 2.0; expected 3 or more"),
    ('title = "x"\n[[hardware.cores]]\nname = "A"\ncount = 0', "cores.0.count is 0"),
    ('title = "x"\n[[hardware.cores]]\nname = "A"', "hardware.cores.0.count is required"),
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
