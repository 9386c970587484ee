"""What libvirt's machines are made of, by architecture: what the template and the KVM trial take.

libvirt's own choice is a PC. On arm64 there is one machine type for virtual machines, "virt", which
has none of a PC's devices and boots with UEFI.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provision.support import architecture
from provision.support.errors import UserError


@dataclass(frozen=True)
class Guest:
    """The smallest guest, where no Linux kernel may be read: it prints K on the serial port, and
    waits. `drive` is how QEMU gets it, with %s for its file."""

    code: bytes
    drive: tuple[str, str]


@dataclass(frozen=True)
class Hardware:
    """The machines of an architecture. `machine` is the type, "" for libvirt's own choice.

    `firmware` are the places where distributions have UEFI, none where a machine has a BIOS.
    """

    qemu: str
    cpu: str  # where it is emulated
    console: str  # the kernel's name for the serial port
    guest: Guest
    machine: str = ""
    arch: str = ""  # as libvirt names it
    firmware: tuple[str, ...] = ()
    firmware_package: str = ""


_PC = Hardware(
    qemu="qemu-system-x86_64",
    cpu="qemu64",
    console="ttyS0",
    guest=Guest(
        # 16-bit code of a boot sector, to port 3f8.
        bytes.fromhex("baf803b04beef4ebfd").ljust(510, b"\0") + b"\x55\xaa",
        ("-drive", "file=%s,format=raw,if=ide"),
    ),
)

_ARM = Hardware(
    qemu="qemu-system-aarch64",
    # The newest that has no pointer authentication, which is slow to emulate.
    cpu="cortex-a72",
    console="ttyAMA0",
    guest=Guest(
        # mov x1, 0x9000000; mov w0, 'K'; str w0, [x1]; wfi; b .-4
        bytes.fromhex("0120a1d260098052200000b97f2003d5ffffff17"),
        ("-kernel", "%s"),
    ),
    machine="virt",
    arch="aarch64",
    # Of Debian and Ubuntu, Fedora and Arch, openSUSE.
    firmware=(
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        "/usr/share/edk2/aarch64/QEMU_EFI.fd",
        "/usr/share/qemu/aavmf-aarch64-code.bin",
    ),
    firmware_package="qemu-efi-aarch64",
)

_HARDWARE = {"amd64": _PC, "arm64": _ARM}


def of(name: str) -> Hardware:
    """The machines of an architecture, by Debian's name for it."""
    return _HARDWARE[name]


def here() -> Hardware:
    """The machines of this host's architecture. Raises UserError for one that has none."""
    return of(architecture.debian_architecture())


def lacking() -> str:
    """What this host lacks for its machines, in words; "" where nothing is missing."""
    try:
        machine = here()
    except UserError as error:
        return str(error)
    if machine.firmware and not firmware():
        return f"the UEFI that machines boot with is not installed ({machine.firmware_package})"
    return ""


def firmware() -> str:
    """The file of UEFI on this host; "" where there is none, or where machines have a BIOS."""
    return next((place for place in here().firmware if Path(place).is_file()), "")
