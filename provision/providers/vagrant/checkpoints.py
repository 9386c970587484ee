"""Checkpoints by Vagrant's own `snapshot` command, for the providers that it has one for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from provision.lab.model import Lab
from provision.providers.base import Checkpoints
from provision.providers.vagrant import output
from provision.providers.vagrant.runner import Runner
from provision.support.errors import MachineError
from provision.support.progress import Progress


class SnapshotCommand:
    """Source: https://developer.hashicorp.com/vagrant/docs/cli/snapshot"""

    def __init__(self, lab: Lab, runner: Runner) -> None:
        self._machines = [machine.name for machine in lab.machines]
        self._runner = runner

    def names(self) -> list[str]:
        found: dict[str, list[str]] = {}
        for line in self._run("list"):
            # "==> machine1: " stands above a machine's own, and "==> machine1: No …" for none.
            if heading := re.match(r"==> ([a-z0-9-]+):", line):
                found[heading[1]] = []
            elif found and line.strip() and not line.startswith(" "):
                found[list(found)[-1]].append(line.strip())
        first, *others = [found.get(name, []) for name in self._machines]
        return [name for name in first if all(name in other for other in others)]

    def save(self, name: str, progress: Progress) -> None:
        self._run("save", "--force", name, progress=progress)

    def restore(self, name: str, progress: Progress) -> None:
        self._run("restore", "--no-provision", name, progress=progress)

    def forget(self, name: str) -> None:
        self._run("delete", name)

    def _run(self, *args: str, progress: Progress | None = None) -> list[str]:
        lines = []
        try:
            for line in self._runner.stream("snapshot", *args):
                lines.append(line)
                if progress:
                    output.report(progress, self._machines, line)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise MachineError(
                f"vagrant snapshot {args[0]} failed: {self._runner.last_words()}",
                f"Vagrant's log: {self._runner.log}",
            ) from error
        return lines


class BetweenCommands:
    """Checkpoints that are restored when the Vagrant of an earlier command has ended (`before`).

    `after` does for restored machines what Vagrant does at the end of `vagrant up`.
    """

    def __init__(
        self, inner: Checkpoints, before: Callable[[Progress], None], after: Callable[[], None]
    ) -> None:
        self._inner = inner
        self._before, self._after = before, after
        self.names = inner.names
        self.save = inner.save
        self.forget = inner.forget

    def restore(self, name: str, progress: Progress) -> None:
        self._before(progress)
        self._inner.restore(name, progress)
        self._after()
