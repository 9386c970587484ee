"""How a built box boots on either architecture, as far as that shows without building one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.providers.boxes.boot import Boot, boot
from provision.providers.boxes.recipe import Recipe
from provision.support import architecture


def on(name: str, monkeypatch: pytest.MonkeyPatch) -> Boot:
    monkeypatch.setattr(architecture, "debian_architecture", lambda: name)
    return boot()


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The folder of a new system, as far as its boot goes."""
    for file in (
        "boot/vmlinuz-6.1-cloud",
        "boot/initrd.img-6.1-cloud",
        "usr/lib/systemd/boot/efi/systemd-bootaa64.efi",
    ):
        path = tmp_path / "system" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    return tmp_path / "system"


def finish(one: Boot, folder: Path) -> None:
    subprocess.run(["sh", "-e", "-c", one.finish], cwd=folder, check=True)


def test_on_amd64_extlinux_starts_the_kernel_that_is_there(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(on("amd64", monkeypatch), system)
    said = (system / "boot/extlinux/extlinux.conf").read_text()
    assert "LINUX /boot/vmlinuz-6.1-cloud" in said
    assert "INITRD /boot/initrd.img-6.1-cloud" in said
    assert "console=ttyS0" in said


def test_on_arm64_uefi_finds_all_on_its_own_partition(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(on("arm64", monkeypatch), system)
    efi = system / "boot/efi"
    # The name that UEFI looks for on every disk.
    assert (efi / "EFI/BOOT/BOOTAA64.EFI").read_text() == "systemd-bootaa64.efi"
    entry = (efi / "loader/entries/linux.conf").read_text()
    named = dict(line.split(" ", 1) for line in entry.splitlines())
    assert (efi / named["linux"].lstrip("/")).read_text() == "vmlinuz-6.1-cloud"
    assert (efi / named["initrd"].lstrip("/")).read_text() == "initrd.img-6.1-cloud"
    assert "console=ttyAMA0" in named["options"]


@pytest.mark.parametrize("name", ["amd64", "arm64"])
def test_the_system_begins_where_its_partition_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = on(name, monkeypatch)
    *before, _ = one.partitions.splitlines()
    # "2048,262144,ef" are sectors; an empty start is the one after the partition before.
    start, size = (int(part) for part in before[0].split(",")[:2]) if before else (2048, 0)
    assert one.offset == (start + size) * 512


@pytest.mark.parametrize(
    ("name", "packages"),
    [("amd64", ["extlinux", "syslinux-common"]), ("arm64", ["dosfstools", "mtools"])],
)
def test_the_packages_are_named_that_this_host_lacks(
    name: str, packages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    one = on(name, monkeypatch)
    assert one.lacking(str(tmp_path)) == packages
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    for tool in (tool for tool in one.tools if isinstance(tool, str)):
        (tmp_path / tool).touch(0o755)
    assert one.lacking(str(tmp_path)) == []


def test_boxes_of_either_architecture_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes, kernels = set(), set()
    for name in ("amd64", "arm64"):
        on(name, monkeypatch)
        hashes.add(Recipe().hash())
        kernels.add(Recipe().kernel)
    assert len(hashes) == 2
    assert kernels == {"linux-image-cloud-amd64", "linux-image-cloud-arm64"}
