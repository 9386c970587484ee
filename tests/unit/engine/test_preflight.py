"""A kernel without VXLAN and copied machine-ids are named before anything is changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.engine import preflight
from provision.engine.preflight import Facts
from provision.machine.machine import Result
from provision.support.errors import MachineError

GOOD = Facts("a" * 32, "6.12.0-1-amd64", "/lib/modules/6.12.0-1-amd64", "debian", "")
UNKNOWN = "Error: Unknown device type."


@pytest.mark.parametrize(
    ("kernel", "modules", "system", "remedy"),
    [
        ("6.8.0-1010-raspi", "/lib/modules/x", "ubuntu", "linux-modules-extra-raspi"),
        ("6.8.0-31-generic", "/lib/modules/x", "ubuntu", "linux-modules-extra-6.8.0-31-generic"),
        ("6.12.9-arch1-1", "", "arch", "as after an upgrade of the kernel: sudo reboot"),
        ("6.11.4-301.fc41", "/lib/modules/x", "fedora", "dnf install kernel-modules-6.11.4"),
        ("6.1.0-custom", "/lib/modules/x", "debian", "CONFIG_VXLAN"),
    ],
)
def test_a_kernel_without_vxlan_is_refused_with_what_gives_it(
    kernel: str, modules: str, system: str, remedy: str
) -> None:
    seen = {"machine1": GOOD, "pi": Facts("b" * 32, kernel, modules, system, UNKNOWN)}
    with pytest.raises(MachineError) as caught:
        preflight.check(seen)
    assert str(caught.value).startswith(f"pi: its kernel {kernel} has no VXLAN")
    assert caught.value.advice.startswith("On pi: ")
    assert remedy in caught.value.advice


@pytest.mark.parametrize(
    "said", ["", "unshare: unshare failed: Operation not permitted", "sh: 1: ip: not found"]
)
def test_what_says_nothing_about_the_kernel_is_no_reason(said: str) -> None:
    preflight.check({"machine1": Facts("a", "6.1", "", "debian", said)})


def test_copies_of_one_disk_are_named_with_how_each_gets_an_id_of_its_own() -> None:
    seen = {"one": GOOD, "two": GOOD, "three": Facts("b" * 32, "6.1", "", "debian", "")}
    (line,) = preflight.notes(seen)
    assert line.startswith("warning: one, two have the same /etc/machine-id")
    assert "sudo rm /etc/machine-id && sudo systemd-machine-id-setup" in line


@pytest.mark.parametrize("machine_id", ["", "uninitialized"])
def test_machines_without_an_id_have_none_in_common(machine_id: str) -> None:
    facts = Facts(machine_id, "6.1", "", "debian", "")
    assert preflight.notes({"one": facts, "two": facts}) == []


class Here:
    """A machine that is this one, with some commands played."""

    name = "machine1"

    def __init__(self, folder: Path, unshare: str) -> None:
        self.folder = folder
        (folder / "unshare").write_text(f"#!/bin/sh\n{unshare}\n")
        (folder / "unshare").chmod(0o755)

    def run(self, command: str, *_: Any, **__: Any) -> Result:
        script = command.replace("/sys/module/vxlan", "/nowhere")
        shell = shutil.which("sh")
        assert shell
        done = subprocess.run(
            [shell, "-c", f"PATH={self.folder}:$PATH; {script}"],
            check=False,
            capture_output=True,
            text=True,
        )
        return Result("machine1", command, done.stdout, done.stderr, done.returncode, "", 0.0)


@pytest.mark.parametrize(
    ("unshare", "lacks"),
    [
        ("exit 0", False),
        ('echo "Error: Unknown device type." >&2; exit 2', True),
        ('echo "RTNETLINK answers: Operation not supported" >&2; exit 2', True),
        ('echo "unshare: Operation not permitted" >&2; exit 1', False),
    ],
)
def test_the_kernel_is_asked_in_a_namespace_of_its_own(
    tmp_path: Path, unshare: str, lacks: bool
) -> None:
    machine: Any = Here(tmp_path, unshare)
    seen = preflight.look({"machine1": machine})
    assert seen["machine1"].kernel
    if lacks:
        with pytest.raises(MachineError):
            preflight.check(seen)
    else:
        preflight.check(seen)
