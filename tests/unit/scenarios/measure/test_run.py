"""What can be measured, and what is refused before anything is made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from paramiko import SSHException

from provision.changes.journal import Journal
from provision.lab.load import load
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from scenarios.cli.measure import PLUGINS
from scenarios.measure.facts import Facts, look, refuse
from scenarios.measure.run import Wanted, _Run, check, known
from scenarios.record.measured import Measurement

MACHINE = '[[machines]]\nname = "machine{}"\nrole = "manager"\n'
KERNEL = Path("/proc/sys/kernel/random/boot_id")
ALL = frozenset({"iperf3", "ping", "nsenter", "timeout"})


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return lab_of(tmp_path_factory)


def lab_of(factory: pytest.TempPathFactory, more: str = "") -> Lab:
    file = factory.mktemp("lab") / "lab.toml"
    machines = "".join(MACHINE.format(number) for number in (1, 2))
    file.write_text(f'name = "t"\nprovider = "libvirt"\n{more}{machines}')
    return load(file)


def facts(tools: frozenset[str] = ALL, emulated: bool = False) -> Facts:
    return Facts(iperf3="iperf 3.18", tools=tools, kernel="k", emulated=emulated)


def test_a_driver_may_be_measured_against_itself() -> None:
    wanted = Wanted(("host", "overlay", "host", "host"), 8, 1)
    assert wanted.names() == {
        "host": "host",
        "overlay": "overlay",
        "host (2)": "host",
        "host (3)": "host",
    }


@pytest.mark.parametrize(
    ("rounds", "seconds", "said"),
    [
        (7, 5, "--rounds: given 7; allowed: 8 to 1000"),
        (1001, 5, "--rounds: given 1001; allowed: 8 to 1000"),
        (10, 0, "--seconds: given 0; allowed: 1 to 600"),
    ],
)
def test_rounds_that_show_nothing_and_endless_ones_are_refused(
    rounds: int, seconds: int, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        Wanted(("host",), rounds, seconds)
    assert str(caught.value) == said


def test_an_unknown_driver_is_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(UserError, match="There is no driver 'vxlan'") as caught:
        check(Wanted(("overlay", "vxlan"), 8, 1), lab, PLUGINS)
    assert caught.value.advice == "Drivers: overlay, bridge, host."


def test_weave_is_measured_where_the_lab_has_it(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = Wanted(("weave",), 8, 1)
    with pytest.raises(UserError, match="Driver weave is a plugin's, and lab t has none") as caught:
        check(wanted, lab, PLUGINS)
    assert "[weave]" in caught.value.advice
    with_it = lab_of(tmp_path_factory, "[weave]\n")
    check(wanted, with_it, PLUGINS)
    assert known(with_it, PLUGINS) == ["overlay", "bridge", "host", "weave"]


class Here:
    """This computer in the place of a machine; `before` is run first, in the same shell."""

    def __init__(self, before: str) -> None:
        self.before = before

    def run_checked(self, command: str, timeout: float) -> str:
        script = f"{self.before}\n{command}"
        return subprocess.run(
            ["sh", "-c", script], check=True, capture_output=True, text=True
        ).stdout


@pytest.mark.skipif(not KERNEL.exists(), reason="no /proc of Linux")
@pytest.mark.parametrize(("virtualization", "emulated"), [("qemu", True), ("kvm", False)])
def test_a_machine_says_what_it_has_and_whether_its_cpu_is_emulated(
    virtualization: str, emulated: bool
) -> None:
    before = (
        "iperf3() { echo iperf 3.18; }\n"
        # dash takes no hyphen in a function's name.
        f"detect() {{ echo {virtualization}; }}; alias systemd-detect-virt=detect"
    )
    found = look(cast(Machine, Here(before)))
    assert (found.iperf3, found.emulated) == ("iperf 3.18", emulated)
    assert {"iperf3", "nsenter", "timeout"} <= found.tools
    assert found.kernel == KERNEL.read_text().strip()


def test_a_missing_tool_is_named_with_machine_and_package() -> None:
    with pytest.raises(MachineError) as caught:
        refuse({"a": facts(ALL - {"iperf3", "ping"}), "b": facts()}, ["host"])
    assert str(caught.value) == "Not installed: iperf3, ping on a. Nothing was changed."
    assert "iperf3, iputils-ping" in caught.value.advice


def test_one_driver_alone_means_nothing_on_emulated_machines() -> None:
    emulated = {"a": facts(emulated=True), "b": facts()}
    refuse(emulated, ["overlay", "host"])
    with pytest.raises(UserError, match="The CPU of a is emulated") as caught:
        refuse(emulated, ["overlay"])
    assert caught.value.advice.endswith("inv measure host overlay")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MachineError("machine2: gone", "Look."), "machine2: gone\n  Look."),
        (EOFError(), "EOFError"),
        (KeyError("HostPort"), "KeyError: 'HostPort'"),
        (SSHException("Channel closed."), "SSHException: Channel closed."),
        (ValueError("not enough values to unpack"), "ValueError: not enough values to unpack"),
    ],
)
def test_whatever_goes_wrong_is_in_the_record_which_is_written(
    error: Exception, reason: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Measurement(
        lab="t",
        provider="libvirt",
        image="alpine",
        hosts=[],
        emulated=False,
        one_kernel=False,
        seed=1,
        rounds=8,
        seconds_each=1,
        started="2026-11-28T12:00:00+00:00",
    )
    setup: Any = SimpleNamespace(folder=tmp_path)
    run = _Run(Wanted(("host",), 8, 1), setup, {}, Journal(), record)
    monkeypatch.setattr(run, "_measure", Mock(side_effect=error))
    run.go()
    assert (record.verdict, record.reason) == ("error", reason)
    assert json.loads((tmp_path / "measure.json").read_text())["reason"] == reason
