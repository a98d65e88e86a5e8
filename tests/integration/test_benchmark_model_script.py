"""The script that runs benchmark_model, in every shell that a device may have.

The binary here is a script that prints a recording of the real one's output: what the shells do
is tested, and not what a model takes. Android's own shell is mksh, and its commands are toybox's.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import hwnas.devices
from hwnas.measurement import DeviceState, Samples
from hwnas.profiling.harnesses._benchmark_output import Reader
from hwnas.profiling.records import Closing, Header, Record, Refusal, Visit, Waiting

SCRIPT = Path(hwnas.devices.__file__).with_name("benchmark_model.sh")
RECORDING = Path(__file__).parents[1] / "data" / "benchmark_model" / "gpu-complete.txt"
SAMPLES = Samples((5_968_750_000,), 50)
BINARY = f"""#!/bin/sh
case $1 in --help*) echo usage: --graph; exit 1;; esac
echo "$*" >>calls
printf 'a byte \\377 and @hwnas end 0 0\\r@hwnas end 0 0\\n'
case $1 in
*broken*) echo ERROR: Benchmarking failed.; exit 1;;
*slow*) echo $$ >slow; exec sleep 100;;
*cpu*) sed -e /applied/d {RECORDING};;
*pinned*) grep Cpus_allowed_list /proc/self/status >pinned; cat {RECORDING};;
*) cat {RECORDING};;
esac
"""
SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "mksh and toybox": ("mksh",),
    "busybox": ("busybox", "sh"),
}


@dataclass
class Phone:
    """A folder where the script lies, and a shell with its commands to run it."""

    folder: Path
    shell: tuple[str, ...]
    path: str

    def write(self, *visits: str, settings: str = "") -> None:
        lines = ["results r", "binary ./binary", "delegate GPU", *settings.splitlines()]
        lines += [f"visit {number} {visit}" for number, visit in enumerate(visits)]
        (self.folder / "job").write_text("\n".join(lines) + "\n")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.shell, SCRIPT, *(words or ("job",))], cwd=self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": self.path}, encoding="utf-8", errors="replace",
        )  # fmt: skip

    def run(self) -> tuple[int, list[Record]]:
        with self.start() as process:
            assert process.stdout is not None
            text = process.stdout.read()
            process.communicate()
        return process.returncode, records(text)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


def records(text: str) -> list[Record]:
    reader = Reader(delegate="gpu", flags="", cores=())
    found = (reader(line) for line in text.splitlines())
    return [record for record in found if record is not None]


def visits(found: list[Record]) -> list[tuple[int, str]]:
    made = [record for record in found if isinstance(record, Visit)]
    assert all(visit.samples == SAMPLES for visit in made)
    return [(visit.visit, visit.model) for visit in made]


@pytest.fixture(params=SHELLS)
def phone(request: pytest.FixtureRequest, tmp_path: Path) -> Phone:
    shell, path = SHELLS[request.param], os.environ["PATH"]
    program = shutil.which(shell[0])
    if program is None:
        pytest.skip(f"{shell[0]} is not installed")
    if "toybox" in request.param:
        toybox = shutil.which("toybox")
        if toybox is None:
            pytest.skip("toybox is not installed")
        path = str(tmp_path / "commands")
        Path(path).mkdir()
        listed = subprocess.run([toybox], capture_output=True, text=True, check=True).stdout
        for name in listed.split():
            (Path(path) / name).symlink_to(toybox)
    made = Phone(tmp_path, (program, *shell[1:]), path)
    (tmp_path / "binary").write_text(BINARY)
    return made


def wait_for(path: Path) -> None:
    for _ in range(1000):
        if path.exists() and path.stat().st_size:
            return
        time.sleep(0.01)
    pytest.fail(f"{path} did not come")


def wait_until_gone(pid: int) -> None:
    for _ in range(1000):
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} lives on")


def test_models_are_visited_in_order_each_by_a_process(phone: Phone) -> None:
    phone.write("any a.tflite", "delegated b.tflite", "any a.tflite", settings="argument --x=1 2")
    status, found = phone.run()
    assert status == 0
    assert [type(record) for record in found] == [Header, Visit, Visit, Visit, Closing]
    assert visits(found) == [(0, "a.tflite"), (1, "b.tflite"), (2, "a.tflite")]
    assert phone.calls() == [f"--graph={name}.tflite --x=1 2" for name in "aba"]
    assert records((phone.folder / "r").read_text()) == found
    left = {path.name for path in phone.folder.iterdir()} - {"commands"}
    assert left == {"binary", "calls", "job", "r", "benchmark_model.lock"}


def test_a_version_is_the_digest_of_the_binary(phone: Phone) -> None:
    phone.write("any a.tflite")
    digest = subprocess.run(
        ["sha256sum", phone.folder / "binary"], capture_output=True, text=True, check=True
    ).stdout[:12]
    header = phone.run()[1][0]
    assert isinstance(header, Header)
    assert header.runtime_version == f"benchmark_model {digest} "
    assert header.header.python == "none"
    assert header.header.os.startswith(f"{os.uname().sysname} {os.uname().release}")


def test_it_goes_on_after_the_last_whole_visit(phone: Phone) -> None:
    phone.write("any a.tflite", "any b.tflite", "any c.tflite", "any d.tflite")
    phone.run()
    whole = (phone.folder / "r").read_bytes()
    end = whole.index(b"@hwnas end 1 ")
    for cut in (end + 5, end - 40, whole.index(b"@hwnas visit 1 ") + 3, whole.index(b"\n") + 9):
        (phone.folder / "r").write_bytes(whole[:cut])
        (phone.folder / "calls").unlink()
        status, found = phone.run()
        assert status == 0
        expected = [(number, f"{name}.tflite") for number, name in enumerate("abcd")]
        kept = 1 if cut > whole.index(b"@hwnas end 0 ") + 20 else 0
        assert visits(found) == expected[kept:]
        assert visits(records((phone.folder / "r").read_text())) == expected
        assert len(phone.calls()) == 4 - kept


def test_a_visit_that_failed_is_told_and_made_again(phone: Phone) -> None:
    phone.write("any a.tflite", "any broken.tflite", "any c.tflite")
    status, found = phone.run()
    assert status == 3
    assert isinstance(found[-1], Refusal)
    assert found[-1].message.endswith("ERROR: Benchmarking failed.")
    assert visits(records((phone.folder / "r").read_text())) == [(0, "a.tflite")]
    (phone.folder / "binary").write_text(BINARY.replace("broken", "mended"))
    assert visits(phone.run()[1]) == [(1, "broken.tflite"), (2, "c.tflite")]


def test_a_visit_without_the_delegate_is_not_put_on_file(phone: Phone) -> None:
    phone.write("any cpu.tflite", "delegated cpu.tflite")
    status, found = phone.run()
    assert status == 3
    assert found[-1] == Refusal("delegate", "cpu.tflite ran without GPU")
    assert "@hwnas end 1 " not in (phone.folder / "r").read_text()


def test_a_binary_that_cannot_be_started_is_refused(phone: Phone) -> None:
    (phone.folder / "binary").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    phone.write("any a.tflite")
    status, found = phone.run()
    assert status == 3
    assert isinstance(found[-1], Refusal)
    assert found[-1].error == "runtime"
    assert found[-1].message.startswith("benchmark_model cannot be started (")
    (phone.folder / "binary").unlink()
    missing = phone.run()[1][-1]
    assert isinstance(missing, Refusal)
    assert missing.error == "runtime"


def test_the_end_of_standard_input_ends_the_binary_too(phone: Phone) -> None:
    phone.write("any a.tflite", "any slow.tflite")
    with phone.start() as process:
        wait_for(phone.folder / "slow")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 4
    wait_until_gone(int((phone.folder / "slow").read_text()))
    assert visits(records((phone.folder / "r").read_text())) == [(0, "a.tflite")]


def test_a_killed_script_leaves_nothing_running_when_its_client_goes(phone: Phone) -> None:
    phone.write("any slow.tflite")
    with phone.start() as process:
        wait_for(phone.folder / "slow")
        wait_for(phone.folder / "benchmark_model.pid")
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.communicate()  # closes its standard input, as the client does
    wait_until_gone(int((phone.folder / "slow").read_text()))


def test_the_binary_runs_on_the_cores_of_the_mask(phone: Phone) -> None:
    last = max(os.sched_getaffinity(0))
    phone.write("any pinned.tflite", settings=f"mask {1 << last:x}")
    assert phone.run()[0] == 0
    assert (phone.folder / "pinned").read_text().split() == ["Cpus_allowed_list:", str(last)]


def plant(root: Path, **contents: str) -> None:
    for name, content in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def plant_phone(root: Path) -> None:
    cpu, battery = "sys__devices__system__cpu__cpu", "sys__class__power_supply__"
    for core, governor, khz in ((0, "schedutil", 1800000), (4, "powersave", 2400000)):
        plant(
            root,
            **{
                f"{cpu}{core}__cpufreq__scaling_governor": governor,
                f"{cpu}{core}__cpufreq__scaling_available_governors": "performance powersave",
                f"{cpu}{core}__cpufreq__scaling_cur_freq": str(khz),
            },
        )
    plant(
        root,
        proc__cpuinfo="processor\t: 0\nHardware\t: Acme X1",
        sys__class__thermal__thermal_zone0__temp="41500",
        sys__class__thermal__thermal_zone1__temp="-273000",
        sys__class__thermal__thermal_zone2__temp="39000",
        sys__class__thermal__thermal_zone3__temp="999999",
        **{
            f"{battery}mouse__type": "Battery", f"{battery}mouse__scope": "Device",
            f"{battery}mouse__capacity": "7", f"{battery}usb__type": "USB",
            f"{battery}main__type": "Battery", f"{battery}main__capacity": "83",
            f"{battery}main__status": "Discharging",
        },
    )  # fmt: skip


def test_the_state_of_the_device_is_told_before_and_after(phone: Phone) -> None:
    root = phone.folder / "root"
    plant_phone(root)
    phone.write("any a.tflite", settings=f"root {root}")
    header, _, closing = phone.run()[1]
    state = DeviceState("powersave, schedutil", 2400.0, 41.5, 83, "Discharging")
    assert isinstance(header, Header)
    assert (header.header.cpu, header.header.before) == ("Acme X1", state)
    assert closing == Closing(state)


def test_only_the_cores_that_are_used_count(phone: Phone) -> None:
    root = phone.folder / "root"
    plant_phone(root)
    phone.write("any a.tflite", settings=f"root {root}\ncore 0")
    header = phone.run()[1][0]
    assert isinstance(header, Header)
    before = header.header.before
    assert (before.governor, before.frequency_mhz) == ("schedutil", 1800.0)


def test_a_hot_device_is_waited_for_and_then_refused(phone: Phone) -> None:
    root = phone.folder / "root"
    plant_phone(root)
    settings = f"root {root}\nmax_temperature 40000\ncool_down_s "
    phone.write("any a.tflite", settings=f"{settings}0")
    status, found = phone.run()
    assert status == 3
    message = "it is at 41 C after waiting 0 s for at most 40 C"
    assert found[-1] == Refusal("hot", message)
    phone.write("any a.tflite", settings=f"{settings}600")
    with phone.start() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "waiting" in line:
                break
        plant(root, sys__class__thermal__thermal_zone0__temp="39900")
        rest = process.stdout.read()
        process.communicate()
    assert visits(records(rest)) == [(0, "a.tflite")]
    told = records(line)[0]
    assert isinstance(told, Waiting)
    assert told.waiting.temperature_c == 41.5


def test_a_device_without_thermometer_is_refused_where_one_is_asked_for(phone: Phone) -> None:
    phone.write("any a.tflite", settings=f"root {phone.folder / 'root'}\nmax_temperature 40000")
    assert phone.run()[1][-1] == Refusal("hot", "none of its temperatures can be read")


def test_a_governor_is_set_meanwhile_and_put_back(phone: Phone) -> None:
    root = phone.folder / "root"
    plant_phone(root)
    cores = [root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor" for core in (0, 4)]
    phone.write("any slow.tflite", settings=f"root {root}\ngovernor powersave")
    with phone.start() as process:
        wait_for(phone.folder / "slow")
        assert [core.read_text() for core in cores] == ["powersave\n"] * 2
        process.communicate()
    assert [core.read_text() for core in cores] == ["schedutil\n", "powersave\n"]
    phone.write("any a.tflite", settings=f"root {root}\ngovernor turbo")
    refusal = Refusal("governor", "its cores offer performance powersave")
    assert phone.run()[1][-1] == refusal
    phone.write("any a.tflite", settings=f"root {root}x\ngovernor powersave")
    assert phone.run()[1][-1] == Refusal("governor", "its cores offer no governor")


def test_results_that_cannot_be_written_are_refused(phone: Phone) -> None:
    phone.write("any a.tflite")
    job = phone.folder / "job"
    job.write_text(job.read_text().replace("results r", "results /dev/full"))
    assert phone.run() == (3, [Refusal("storage", "/dev/full could not be written")])


def test_the_probe_starts_the_binary(phone: Phone) -> None:
    with phone.start("probe", "./binary") as process:
        output = process.communicate()[0]
    assert process.returncode == 0
    assert len(output) == 65
    (phone.folder / "binary").write_text("#!/bin/sh\necho who; exit 0\n")
    with phone.start("probe", "./binary") as process:
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (3, "", "who\n")


def test_two_scripts_of_one_folder_take_turns(phone: Phone) -> None:
    phone.write("any slow.tflite")
    with phone.start() as first:
        wait_for(phone.folder / "slow")
        phone.write("any a.tflite")
        with phone.start() as second:
            time.sleep(0.2)
            assert second.poll() is None
            assert phone.calls() == ["--graph=slow.tflite"]
            first.communicate()
            assert second.stdout is not None
            assert visits(records(second.stdout.read())) == [(0, "a.tflite")]
            second.communicate()
