"""libvirt's machines by architecture: what the template, the doctor and the KVM trial take."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from provision.lab.load import load
from provision.providers.libvirt import hardware, kvm
from provision.providers.vagrant.template import Plan, render
from provision.support import architecture

LAB = Path(__file__).parents[4] / "lab.toml"
PC = Plan("libvirt", "swarmrig/debian13", "13.1", "swarmrig-book_", "swarmrig-book", "qemu")
ARM = replace(PC, architecture="arm64", firmware="/usr/share/it's.fd")


def settings(plan: Plan) -> dict[str, str]:
    """The values of `libvirt.…` in the rendered file, without comments."""
    lines = [line.strip() for line in render(load(LAB), plan).splitlines()]
    own = [line.removeprefix("libvirt.") for line in lines if line.startswith("libvirt.")]
    pairs = [line.split(" = ", 1) for line in own if " = " in line]
    return {name: value.split(" #")[0] for name, value in pairs}


@pytest.mark.parametrize("driver", ["kvm", "qemu"])
def test_on_amd64_the_machine_is_libvirts_own_choice(driver: str) -> None:
    named = settings(replace(PC, driver=driver))
    assert not named.keys() & {"machine_type", "machine_arch", "loader", "features", "inputs"}
    assert named.get("cpu_model") == ('"qemu64"' if driver == "qemu" else None)


@pytest.mark.parametrize("driver", ["kvm", "qemu"])
def test_on_arm64_it_boots_with_uefi_and_has_nothing_of_a_pc(driver: str) -> None:
    named = settings(replace(ARM, driver=driver))
    assert (named["machine_arch"], named["machine_type"]) == ('"aarch64"', '"virt"')
    assert named["loader"] == "'/usr/share/it\\'s.fd'"
    assert (named["features"], named["inputs"]) == ("[]", "[]")
    assert "nvram" not in named
    cpu = (named["cpu_mode"], named.get("cpu_model"))
    emulated, passed_through = ('"custom"', '"cortex-a72"'), ('"host-passthrough"', None)
    assert cpu == (emulated if driver == "qemu" else passed_through)


def test_arm64_without_uefi_is_named_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architecture, "debian_architecture", lambda: "arm64")
    file = tmp_path / "EFI.fd"
    there = replace(hardware.of("arm64"), firmware=("/nonexistent", str(file)))
    monkeypatch.setattr(hardware, "of", lambda _: there)
    assert "qemu-efi-aarch64" in hardware.lacking()
    file.touch()
    assert (hardware.lacking(), hardware.firmware()) == ("", str(file))


def test_amd64_needs_no_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture, "debian_architecture", lambda: "amd64")
    assert (hardware.lacking(), hardware.firmware()) == ("", "")


def test_another_architecture_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "riscv64" in hardware.lacking()


@pytest.mark.parametrize(
    ("name", "console", "cpu"), [("amd64", "ttyS0", []), ("arm64", "ttyAMA0", ["virt", "host"])]
)
def test_kvm_is_tried_with_a_machine_of_this_architecture(
    name: str, console: str, cpu: list[str], tmp_path: Path
) -> None:
    trial = kvm.command(hardware.of(name), Path("/boot/vmlinuz"), tmp_path)
    assert "/boot/vmlinuz" in trial.arguments
    assert f"console={console} panic=-1" in trial.arguments
    assert [one for one in trial.arguments if one in ("virt", "host")] == cpu
    without = kvm.command(hardware.of(name), None, tmp_path)
    assert (tmp_path / "guest").read_bytes() == hardware.of(name).guest.code
    assert any(str(tmp_path / "guest") in one for one in without.arguments)
