"""Whether KVM works here: decided by a trial, since /dev/kvm may exist and yet not work.

There are machines (nested ones, above all) where /dev/kvm opens and a guest kernel then hangs. So
a real Linux kernel is booted, without a disk: when it prints on the serial port that it finds no
root file system, its memory, timers and interrupts have all worked.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provision.providers.boxes.boot import kept_kernel
from provision.providers.libvirt import hardware, virsh
from provision.providers.libvirt.hardware import Hardware
from provision.support import cache
from provision.support.errors import MachineError
from provision.support.files import write_atomic
from provision.support.tools import c_locale, run_tool
from provision.support.wait import wait_until

PATIENCE = 20  # seconds; a guest that works prints its line within two or three
# A guest that had a processor for this share of them, or could have had an idle one, was not kept
# waiting by a busy host: KVM does not work.
_OWN_SHARE = 0.9
# What a kernel without a root file system prints at the end of its start.
_LINE = b"VFS: Unable to mount root fs"

_DEVICE = Path("/dev/kvm")
_CLOSED = (
    "this user may not open /dev/kvm; members of the group kvm may: sudo usermod -aG kvm $USER, "
    "then log in again"
)
_NAME = f"swarmrig-trial-{os.getpid()}"
_DOMAIN = f"""<domain type='kvm'>
  <name>{_NAME}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type><boot dev='hd'/><bios rebootTimeout='1'/></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>
"""


@dataclass(frozen=True)
class Verdict:
    """Whether KVM works, the reason, and whether that is from an earlier trial."""

    works: bool
    why: str
    cached: bool


@dataclass(frozen=True)
class _Trial:
    """How a guest's start ended. An undecided one shows nothing about the next: the host may have
    been busy."""

    works: bool
    why: str
    undecided: bool = False


def verdict(fresh: bool = False) -> Verdict:
    """Try KVM, or use the verdict of an earlier trial on this boot, kernel and QEMU."""
    if platform.system() != "Linux":
        return Verdict(False, "KVM is a part of Linux", False)
    if not _DEVICE.exists():
        return Verdict(False, "there is no /dev/kvm", False)
    qemu = shutil.which(hardware.here().qemu)
    if not qemu:
        return Verdict(False, "QEMU is not installed", False)
    ours = os.access(_DEVICE, os.R_OK | os.W_OK)
    file = cache.folder() / "kvm.json"
    key = [_boot(), platform.release(), qemu, _version(qemu), str(_kernel()) if ours else "libvirt"]
    if not fresh and file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return Verdict(kept["works"], kept["why"], True)
    trial = _try(qemu) if ours else _through_libvirt()
    if not trial.undecided:
        write_atomic(file, json.dumps({"key": key, "works": trial.works, "why": trial.why}))
    return Verdict(trial.works, trial.why, False)


def _through_libvirt() -> _Trial:
    """A guest that libvirt runs, for a user who may not open /dev/kvm: libvirt's QEMU may.

    It has no disk: its firmware finds nothing to boot, and resets after a moment, with which the
    domain is gone. Source: https://libvirt.org/formatdomain.html, rebootTimeout and on_reboot
    """
    if platform.machine() != "x86_64":
        return _Trial(False, _CLOSED, undecided=True)
    with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
        file.write(_DOMAIN)
        file.flush()
        try:
            virsh.run("create", file.name)
        except MachineError as error:
            return _Trial(False, f"{_CLOSED} ({error})", undecided=True)
    try:
        gone = wait_until(_trial_is_gone, bool, PATIENCE)
    finally:
        virsh.run("destroy", _NAME, check=False)
    if gone:
        return _Trial(True, "a minimal guest of libvirt's ran on KVM")
    why = f"a minimal guest of libvirt's did not end on KVM within {PATIENCE} s"
    return _Trial(False, f"{why}; and {_CLOSED}", undecided=True)


def _trial_is_gone() -> bool:
    return _NAME not in virsh.run("list", "--all", "--name").split()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def _version(qemu: str) -> str:
    done = run_tool([qemu, "--version"])
    return done.stdout.splitlines()[0] if done.stdout else ""


def _kernel() -> Path | None:
    """A Linux kernel that may be read: one from a built box, or the host's own."""
    kept = kept_kernel()
    own = sorted(Path("/boot").glob("vmlinuz-*"), reverse=True)
    return next((path for path in (kept, *own) if os.access(path, os.R_OK)), None)


def _try(qemu: str) -> _Trial:
    with tempfile.TemporaryDirectory() as made:
        trial = command(hardware.here(), _kernel(), Path(made))
        output, undecided = _serial([qemu, *trial.arguments])
    if trial.expected in output:
        return _Trial(True, f"{trial.guest} ran on KVM")
    why = f"{trial.guest} did not come up on KVM within {PATIENCE} s, though /dev/kvm exists"
    return _Trial(False, why, undecided)


@dataclass(frozen=True)
class Command:
    """What QEMU is started with, what the guest prints where it works, and what it is, in words."""

    arguments: tuple[str, ...]
    expected: bytes
    guest: str


def command(
    machine: Hardware, kernel: Path | None, folder: Path, accelerator: str = "kvm"
) -> Command:
    """A trial's command: of a kernel, or without one of a minimal guest, made in `folder`."""
    base = tuple(f"-accel {accelerator} -m 256 -display none -no-reboot -nodefaults".split())
    base += ("-serial", "stdio")
    if machine.machine:
        cpu = "host" if accelerator == "kvm" else machine.cpu
        base += ("-machine", machine.machine, "-cpu", cpu)
    if kernel:
        append = f"console={machine.console} panic=-1"
        start = ("-kernel", str(kernel), "-append", append)
        return Command((*base, *start), _LINE, "a Linux guest")
    file = folder / "guest"
    file.write_bytes(machine.guest.code)
    option, value = machine.guest.drive
    arguments = (*base, option, value % file)
    return Command(arguments, b"K", "a minimal guest (no kernel here may be read)")


def _serial(argv: list[str]) -> tuple[bytes, bool]:
    """What the guest prints on its serial port, and whether only the limit has ended it."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=c_locale(),
    ) as guest:
        before = _processor_seconds()
        try:
            return guest.communicate(timeout=PATIENCE)[0], False
        except subprocess.TimeoutExpired:
            guest.kill()
            # The minimal guest never ends by itself: its output counts all the same.
            output = guest.communicate()[0]
            return output, _processor_seconds() - before < _OWN_SHARE * PATIENCE
        except BaseException:
            guest.kill()
            raise


def _processor_seconds() -> float:
    """What our processes that have ended had of the processors, and how long these were idle.

    Source: https://man7.org/linux/man-pages/man5/proc_stat.5.html, the fourth number
    """
    import resource  # noqa: PLC0415 - Unix alone has it

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    idle = int(Path("/proc/stat").read_text(encoding="ascii").split()[4])
    return spent.ru_utime + spent.ru_stime + idle / os.sysconf("SC_CLK_TCK")
