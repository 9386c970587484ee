"""How a built box boots, by architecture: with a BIOS on amd64, with UEFI on arm64.

UEFI reads a FAT partition, and starts from it what has the name that it looks for on every disk:
systemd-boot, with kernel and initramfs beside it. Nothing has to be run to install it.
Source: https://uapi-group.org/specifications/specs/boot_loader_specification/ (type #1 entries)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.support import architecture, cache

_KERNEL = "root=LABEL=root ro console=tty0 console={console} net.ifnames=0 quiet mitigations=off"
_MBR = ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/EXTLINUX/mbr.bin")
_ESP_MIB = 128


@dataclass(frozen=True)
class Boot:
    """What a box's recipe has for its boot.

    `packages` are the system's, `tools` this host's: a program, or places of a file, and Debian's
    package of it. `finish` is a shell text that runs in the system's folder. `partitions` is for
    sfdisk; the system's begins at `offset` bytes. `install` is a shell text, run when the system is
    mounted at $root: it writes on the raw disk $disk what lies outside of that partition, and may
    use the folder $work.
    """

    packages: tuple[str, ...]
    tools: Mapping[str | tuple[str, ...], str]
    finish: str
    partitions: str
    offset: int
    install: str

    def lacking(self, search: str) -> list[str]:
        """The packages that this host lacks; programs are looked for in the path `search`."""
        return [package for what, package in self.tools.items() if not _has(what, search)]


def _has(what: str | tuple[str, ...], search: str) -> bool:
    if isinstance(what, str):
        return shutil.which(what, path=search) is not None
    return any(Path(place).is_file() for place in what)


_BIOS = Boot(
    packages=(),
    tools={"extlinux": "extlinux", _MBR: "syslinux-common"},
    finish=f"""mkdir -p boot/extlinux
kernel=$(basename boot/vmlinuz-*)
cat > boot/extlinux/extlinux.conf <<BOOT
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  LINUX /boot/$kernel
  INITRD /boot/initrd.img-${{kernel#vmlinuz-}}
  APPEND {_KERNEL.format(console="ttyS0")}
BOOT
""",
    partitions="2048,,L,*",
    offset=1 << 20,
    install=f"""
extlinux --install "$root/boot/extlinux"
for mbr in {" ".join(_MBR)}; do [ ! -f "$mbr" ] || break; done
dd if="$mbr" of="$disk" bs=440 count=1 conv=notrunc status=none
""",
)

_UEFI = Boot(
    packages=("systemd-boot-efi",),
    tools={"mkfs.vfat": "dosfstools", "mcopy": "mtools"},
    finish=f"""mkdir -p boot/efi/EFI/BOOT boot/efi/loader/entries
cp usr/lib/systemd/boot/efi/systemd-bootaa64.efi boot/efi/EFI/BOOT/BOOTAA64.EFI
kernel=$(basename boot/vmlinuz-*)
cp "boot/$kernel" boot/efi/linux
cp "boot/initrd.img-${{kernel#vmlinuz-}}" boot/efi/initrd
echo 'timeout 0' > boot/efi/loader/loader.conf
cat > boot/efi/loader/entries/linux.conf <<BOOT
title Linux
linux /linux
initrd /initrd
options {_KERNEL.format(console="ttyAMA0")}
BOOT
""",
    # ef: an EFI system partition.
    partitions=f"2048,{_ESP_MIB * 2048},ef\n,,L",
    offset=(1 + _ESP_MIB) << 20,
    install=f"""
truncate -s {_ESP_MIB}M "$work/esp"
mkfs.vfat -n EFI "$work/esp" > /dev/null
mcopy -s -i "$work/esp" "$root"/boot/efi/* ::/
rm -r "$root/boot/efi"
dd if="$work/esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
rm "$work/esp"
""",
)

_BOOTS = {"amd64": _BIOS, "arm64": _UEFI}


def boot() -> Boot:
    """How a box for this host's architecture boots."""
    return _BOOTS[architecture.debian_architecture()]


def kept_kernel() -> Path:
    """Where the kernel of a built box is kept for a trial of KVM: one for this host's CPU."""
    return cache.folder() / f"trial-vmlinuz-{architecture.debian_architecture()}"
