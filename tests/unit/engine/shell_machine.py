"""A machine whose commands run in a shell here, with /etc below a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from provision.machine.machine import Result
from provision.support.errors import MachineError


class ShellMachine:
    """Commands see `root`/etc in place of /etc, and programs of `root`/bin before the real ones."""

    def __init__(self, root: Path, name: str = "m") -> None:
        self.root = root
        self.name = name
        self.is_root = True
        self.commands: list[str] = []
        (root / "etc").mkdir(exist_ok=True)
        (root / "bin").mkdir(exist_ok=True)

    def program(self, name: str, text: str) -> None:
        """A program of this name, which is a shell script."""
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def run(
        self,
        command: str,
        timeout: float | None = 120,
        sudo: bool = False,
        hear: Callable[[str], None] | None = None,
    ) -> Result:
        done = self.feed(command, b"")
        for line in done.stdout.splitlines() if hear else ():
            hear(line)  # type: ignore[misc]
        return done

    def feed(
        self, command: str, source: Path | bytes, timeout: float = 600, sudo: bool = False
    ) -> Result:
        self.commands.append(command)
        done = subprocess.run(
            ["sh", "-c", self._placed(command)],
            input=source if isinstance(source, bytes) else source.read_bytes(),
            capture_output=True,
            check=False,
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}", "ROOT": str(self.root)},
        )
        said = [text.decode(errors="replace") for text in (done.stdout, done.stderr)]
        return Result(self.name, command, said[0], said[1], done.returncode, "", 0.0)

    def _placed(self, command: str) -> str:
        for folder in ("/etc/", "/var/lib/swarmrig"):
            command = command.replace(folder, f"{self.root}{folder}")
        return command

    def run_checked(self, command: str, timeout: float | None = 120, sudo: bool = False) -> str:
        done = self.run(command, timeout, sudo)
        if not done.ok:
            raise MachineError(f"{self.name}: `{command}`: {done.last_words}")
        return done.stdout
