import threading
from pathlib import Path

import pytest

from hwnas import workflows
from hwnas.errors import InputError, TransportError
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.workflows.several_devices import Profiled

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"
# what is measured on a busy machine is not to be believed, and is not what is tested
ANYHOW = Discipline(
    layer_rounds=1,
    network_rounds=2,
    steadiness=Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0),
)
AWAY = 'title = "Away"\ntransport = "ssh"\n[options]\nhost = "127.0.0.1"\nport = 1\n'


@pytest.fixture
def devices(tmp_path: Path) -> list[Path]:
    """Two devices that are this machine, and between them one that cannot be reached."""
    texts = {"one": 'title = "One"\n', "away": AWAY, "two": 'title = "Two"\n'}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return [tmp_path / f"{name}.toml" for name in texts]


def test_each_device_gets_its_table_and_progress_of_its_own(
    devices: list[Path], tmp_path: Path
) -> None:
    ended: list[Profiled] = []
    tasks: dict[str, float] = {}
    speaking = threading.Lock()

    def on_progress(task: str, done: float, total: float, note: str = "") -> None:
        assert speaking.acquire(blocking=False)  # never two at the same time
        tasks[task] = done / total
        speaking.release()

    found = workflows.profile_devices(
        devices, SPACE, networks=0, folder=tmp_path / "tables", discipline=ANYHOW,
        on_progress=on_progress, on_end=ended.append,
    )  # fmt: skip
    assert [one.device for one in found] == ["one", "away", "two"]
    assert [one.error is None for one in found] == [True, False, True]
    assert isinstance(found[1].error, TransportError)
    assert {one.device for one in ended} == {"one", "away", "two"}
    assert tasks == {"profiling one": 1.0, "profiling two": 1.0}
    for one in (found[0], found[2]):
        assert one.table is not None
        assert one.table.device == one.device
        assert (
            one.path == tmp_path / "tables" / one.device / "profile_space-onnxruntime-fp32-1t.json"
        )


def test_devices_at_one_place_take_turns(devices: list[Path], tmp_path: Path) -> None:
    order: list[str] = []

    def on_progress(task: str, done: float, total: float, note: str = "") -> None:
        order.append(task.split()[-1])

    workflows.profile_devices(
        devices[::2], SPACE, networks=0, folder=tmp_path / "tables", discipline=ANYHOW,
        on_progress=on_progress,
    )  # fmt: skip
    assert order == sorted(order)


def test_an_interruption_ends_all_that_still_measure(devices: list[Path], tmp_path: Path) -> None:
    def interrupt(one: Profiled) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workflows.profile_devices(devices, SPACE, folder=tmp_path / "tables", on_end=interrupt)


def test_a_mistake_in_the_space_is_said_before_anything_is_measured(devices: list[Path]) -> None:
    with pytest.raises(InputError, match="Resolution 17"):
        workflows.profile_devices(devices, SPACE, resolutions=(17,))
