"""A system whose package tools are small scripts: each call is logged, and can be answered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from provision.engine import apt
from provision.machine.machine import Result

_LOGGED = r"""#!/bin/sh
echo "NAME $*" >> "$ROOT/log"
TEXT
"""
# dpkg-query -W -f FORMAT PACKAGE, apt-cache policy PACKAGE.
_ANSWERS = {
    "dpkg-query": 'grep -qx "$4" "$ROOT/installed" && printf "ii "',
    "apt-cache": 'echo "$2:"; grep -qx "$2" "$ROOT/known" && echo "  Candidate: 1" '
    '|| echo "  Candidate: (none)"',
}
_SILENT = ("apt-get", "dpkg", "apt-mark", "dnf", "rpm", "systemctl", "curl", "sleep")
# The first call of each command line fails as `said`, the next one does not.
LOCKED_ONCE = """
key=$(echo "$0 $*" | cksum | tr -d ' ')
[ -e "$ROOT/seen-$key" ] || {{ : > "$ROOT/seen-$key"; echo "{said}" >&2; exit 100; }}
"""


class FakeSystem:
    """Scripts run with these commands before the real ones, and /etc and /var below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        for folder in (self.bin, root / "tmp", root / "etc/apt/sources.list.d"):
            folder.mkdir(parents=True)
        self.installed()
        self.known()
        for name in _SILENT:
            self.command(name)
        for name, text in _ANSWERS.items():
            self.command(name, text)

    def command(self, name: str, text: str = "") -> None:
        """A command of this name, which is a shell script."""
        file = self.bin / name
        file.write_text(_LOGGED.replace("NAME", name).replace("TEXT", text))
        file.chmod(0o755)

    def installed(self, *packages: str) -> None:
        self._list("installed", packages)

    def known(self, *packages: str) -> None:
        """What apt can install."""
        self._list("known", packages)

    def _list(self, name: str, packages: Iterable[str]) -> None:
        (self.root / name).write_text("".join(f"{package}\n" for package in packages))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "ROOT": str(self.root),
            "TMPDIR": str(self.root / "tmp"),
        }

    def placed(self, script: str) -> str:
        """The script with what it names below /etc and /var in the system's folder."""
        for folder in ("/etc/", "/var/"):
            script = script.replace(folder, f"{self.root}{folder}")
        return script

    def run(self, script: str, patience: int = apt.PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a script with its functions, whatever comes of it."""
        return subprocess.run(
            ["sh", "-c", self.placed(apt.whole(script, patience))],
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
        )

    def calls(self, *names: str) -> list[str]:
        """The command lines so far, of all commands or of these."""
        log = self.root / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if not names or line.split()[0] in names]


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    return FakeSystem(tmp_path)


def result(command: str, stdout: str = "", code: int = 0, stderr: str = "") -> Result:
    return Result("m", command, stdout, stderr, code, "", 0.0)
