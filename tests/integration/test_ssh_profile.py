"""A profile of a device behind a real OpenSSH server, which may go away meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import Profile, wait_for_visits
from sshd import Server, sshd, wait_until_idle

from hwnas.devices import load_device
from hwnas.errors import DeviceError, InputError
from hwnas.graphs import onnx
from hwnas.profiling import measure_models


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path / "server") as running:
        yield running


@pytest.fixture
def profile(server: Server, tmp_path: Path) -> Iterator[Profile]:
    """A profile; when its test ends, nothing of it may be left on the device."""
    on_device = tmp_path / "on-device"
    server.write_device(tmp_path / "board.toml", on_device)
    yield Profile(str(tmp_path / "board.toml"), tmp_path / "latency_tables", on_device)
    wait_until_idle(on_device)
    assert not list(on_device.iterdir())


def test_a_profile_through_ssh_gives_a_complete_table(profile: Profile) -> None:
    profile.finish_and_check()


def test_a_server_killed_in_mid_profile_is_found_again(profile: Profile, server: Server) -> None:
    with profile.client() as process:
        wait_for_visits(process, 60)
        server.kill()
        wait_until_idle(profile.device_folder)
        profile.look()
        server.restart()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Trying again." in errors
    profile.check()


def test_a_server_that_stays_away_is_reported_and_the_profile_goes_on_later(
    profile: Profile, server: Server
) -> None:
    with profile.client() as process:
        wait_for_visits(process, 60)
        server.kill()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ConnectionLostError Device board has no ssh server running" in errors
    profile.look()
    server.restart()
    profile.finish_and_check()


def test_a_file_that_is_no_model_leaves_nothing_on_the_device(
    profile: Profile, tmp_path: Path
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"no model")
    with pytest.raises(DeviceError, match="could not load a model"):
        measure_models(load_device(profile.device), [model])


def test_an_interrupt_leaves_nothing_on_the_device(profile: Profile, tmp_path: Path) -> None:
    def interrupt(task: str, done: float, total: float, note: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_models(load_device(profile.device), [model_file(tmp_path)], on_progress=interrupt)


def test_a_server_that_is_away_does_not_mask_what_went_wrong(
    server: Server, tmp_path: Path
) -> None:
    def refuse(task: str, done: float, total: float, note: str = "") -> None:
        server.kill()
        raise InputError(task)

    with pytest.raises(InputError, match="measuring"):
        measure_models(server.device(tmp_path), [model_file(tmp_path)], on_progress=refuse)


def model_file(folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(onnx.lower([], []))
    return path
