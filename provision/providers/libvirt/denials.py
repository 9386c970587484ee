"""What QEMU may not open, by whom it is kept from it: permissions, SELinux or AppArmor."""

from __future__ import annotations

import re
from pathlib import Path

from provision.providers.backend import Hindrance

SELINUX = Path("/sys/fs/selinux/enforce")
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_DENIED = re.compile(
    r"(?:could not open|cannot access (?:storage|backing) file|failed to open|unable to open)"
    r"[^'\"]{0,40}['\"]?(?P<file>/[^'\":]+)['\"]?.*permission denied",
    re.IGNORECASE | re.DOTALL,
)


def explain(words: str) -> Hindrance | None:
    """Why a file was refused in what a tool says; None where it speaks of no such thing."""
    found = _DENIED.search(words)
    if not found:
        return None
    file = found["file"].strip()
    what = f"QEMU, which libvirt runs as another user, may not open {file}"
    if _reads(SELINUX) == "1":
        return Hindrance(
            f"{what}; SELinux is enforcing here",
            f"Look: sudo ausearch -m avc -ts recent. A wrong label is set right by sudo restorecon "
            f"-Rv {Path(file).parent}",
        )
    if _reads(APPARMOR).startswith("Y"):
        return Hindrance(
            f"{what}; AppArmor is on here",
            "Look: sudo journalctl -k --grep 'apparmor=.DENIED'. If nothing is denied there, its "
            f"folders are closed to others: namei -l {file}",
        )
    return Hindrance(what, f"Its folders are closed to others: namei -l {file}")


def _reads(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
