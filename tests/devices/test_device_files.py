"""Device files: those that ship, and those that hwnas writes."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.devices import (
    Cores,
    Device,
    EnergyModel,
    Hardware,
    Measuring,
    device_names,
    load_device,
    parse_device,
    transports,
)
from hwnas.devices.device_file import as_toml
from hwnas.profiling import harnesses

SHIPPED = sorted((Path(__file__).parents[2] / "devices").glob("*.toml"))

_text = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=12)
_positive = st.floats(0, 1e9)
_option = st.one_of(_text, st.integers(-(2**40), 2**40), st.booleans(), _positive)
_options = st.dictionaries(_text, _option, max_size=3)
_devices = st.builds(
    Device,
    name=st.just("board"),
    title=_text,
    transport=_text,
    python=st.lists(_text.filter(bool), max_size=3).map(tuple),
    harness=_text,
    harness_options=_options,
    measuring=st.builds(
        Measuring,
        cores=st.sets(st.integers(0, 64), max_size=4).map(tuple),
        governor=_text,
        max_temperature_c=st.none() | _positive,
    ),
    options=_options,
    precisions=st.sampled_from([(), ("int8",), ("fp32", "fp16")]),
    energy=st.builds(EnergyModel, pj_per_byte=_positive, source=_text),
    hardware=st.builds(
        Hardware,
        processor=_text,
        cores=st.lists(
            st.builds(Cores, name=_text, count=st.integers(1, 99), max_mhz=st.none() | st.just(1.5))
        ).map(tuple),
        memory_gb=st.none() | _positive,
    ),
)


def test_the_devices_that_people_have_are_there() -> None:
    assert {
        "host", "raspberry_pi_4", "raspberry_pi_5", "jetson_orin_nano", "pixel_8", "galaxy_s23",
        "generic_android", "generic_aarch64",
    } <= set(device_names())  # fmt: skip


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_figure_of_a_shipped_file_has_its_source(path: Path) -> None:
    hardware = load_device(path).hardware
    assert bool(hardware.processor or hardware.cores) == bool(hardware.cores_source)
    memory = (hardware.memory_gb, hardware.memory_bandwidth_gb_s)
    assert (memory != (None, None)) == bool(hardware.memory_source)
    assert ((hardware.idle_w, hardware.load_w) != (None, None)) == bool(hardware.power_source)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_transport_and_harness_take_the_options_of_a_shipped_file(
    path: Path, tmp_path: Path
) -> None:
    device = load_device(path)
    transports.create(device, tmp_path)
    assert harnesses.targets(device)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_section_of_a_shipped_file_is_commented(path: Path) -> None:
    for block in path.read_text().split("\n\n"):
        assert "#" in block or block.startswith(("[options]", "[harness_options]", "[measuring]"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_written_anew_says_the_same(path: Path) -> None:
    device = load_device(path)
    assert parse_device(tomllib.loads(as_toml(device)), device.name, source="text") == device


def test_the_file_that_the_guide_shows_is_a_device() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    device = parse_device(tomllib.loads(text), "my-pi", source="the guide")
    assert device.way == "ssh my-pi"
    assert device.measuring.cores == (3,)


@settings(deadline=None)
@given(device=_devices)
def test_a_device_that_is_written_reads_back_equal(device: Device) -> None:
    written = tomllib.loads(as_toml(device))
    assert parse_device(written, device.name, source="text") == device
