"""Run a command under which arm64's programs run as well: python programs.py COMMAND …

Linux starts them with QEMU where binfmt_misc has an entry for them. Since Linux 6.7 a user
namespace can have entries of its own, so that this machine's stay as they are.
Source: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

_PLACE = Path("/proc/sys/fs/binfmt_misc")
_NAME = "qemu-aarch64"
# Debian's own entry, which systemd registers where it runs.
_RULE = Path(f"/usr/lib/binfmt.d/{_NAME}.conf")
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000


def why_not() -> str:
    """Why this machine cannot run them, "" where it can."""
    if (_PLACE / _NAME).exists():
        return ""
    if not _RULE.is_file():
        return f"missing here: {_RULE} (qemu-user-static)"
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if version < (6, 7):
        return "before Linux 6.7, arm64's programs run only if the whole machine is set up for them"
    return ""


def main(command: list[str]) -> int:
    if (_PLACE / _NAME).exists():
        return subprocess.run(command, check=False).returncode
    (ready, is_ready), (mapped, is_mapped) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None).unshare(_NEW_USER | _NEW_MOUNTS) != 0:
            os._exit(70)
        os.write(is_ready, b".")
        os.read(mapped, 1)
        _register()
        os.execvp(command[0], command)  # noqa: S606 - a command line is what this is given
    os.close(is_ready)
    os.read(ready, 1)
    for kind in ("uid", "gid"):
        # All users and groups are there under their own numbers: files get the owners they should.
        Path(f"/proc/{child}/{kind}_map").write_text("0 0 65536\n")
    os.write(is_mapped, b".")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _register() -> None:
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "binfmt_misc", "none", str(_PLACE)], check=True)
    (_PLACE / "register").write_text(_RULE.read_text().strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
