"""Virtual machines, through Vagrant: called as seldom as possible, for its Ruby takes seconds."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import paramiko
from filelock import FileLock

from provision.lab.model import Lab
from provision.providers.base import MachineState
from provision.providers.libvirt import inventory, networks, snapshots, virsh
from provision.providers.vagrant import template
from provision.providers.vagrant.runner import Runner
from provision.providers.vagrant.template import Plan
from provision.ssh.endpoint import Endpoint
from provision.support import cache
from provision.support.errors import MachineError
from provision.support.files import write_atomic
from provision.support.progress import Progress

BOOT_LIMIT = 1800.0  # seconds for one `vagrant up`; emulated machines take minutes

# What Vagrant says, and what that is called here.
_PHASES = (
    ("Importing base box", "copying the box"),
    ("Creating image", "making its disk"),
    ("Creating domain with", "defining the machine"),
    ("Starting domain", "booting"),
    ("Booting VM", "booting"),
    ("Waiting for domain to get an IP", "booting; waiting for an address"),
    ("Waiting for machine to boot", "booting; waiting for SSH"),
    ("Inserting generated public key", "giving it a key of its own"),
    ("Machine booted and ready", "booted"),
    ("Setting hostname", "naming it"),
    ("Configuring and enabling network", "setting its private address"),
    ("Resuming", "resuming"),
    ("Restoring the snapshot", "restoring the checkpoint"),
    ("Removing domain", "removing it"),
    ("Destroying VM", "removing it"),
)
_LINE = re.compile(r"^\s*(?:==> )?([a-z][a-z0-9-]*): (.*)$")


class VagrantProvider:
    """The lab's machines as Vagrant's. All state lies in `lab.state`, Vagrant's box store aside."""

    def __init__(self, lab: Lab, plan: Plan) -> None:
        self.lab = lab
        self.plan = plan
        self.state = lab.state
        self.runner = Runner(lab.state, BOOT_LIMIT)

    @property
    def name(self) -> str:
        return self.plan.provider

    @classmethod
    def from_state(cls, lab: Lab) -> VagrantProvider | None:
        """The provider as an earlier `up` planned it; None where there was none."""
        try:
            said = json.loads((lab.state / "plan.json").read_text())
            return cls(lab, Plan(**{**said, "notes": tuple(said.get("notes", ()))}))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise MachineError(f"{lab.state / 'plan.json'} cannot be read: {error}") from None

    # -- up -----------------------------------------------------------------------------------

    def up(self, progress: Progress) -> None:
        names = [machine.name for machine in self.lab.machines]
        for line in self.runner.finish_earlier():
            _tell(progress, names, line)
        text = template.render(self.lab, self.plan)
        file = self.state / "Vagrantfile"
        unchanged = file.is_file() and file.read_text() == text
        if self.plan.provider == "libvirt":
            # A command that was killed while it kept a checkpoint has left them suspended.
            snapshots.resume(self.plan.prefix, names)
        states = self.states()
        settled = unchanged and (self.state / "ssh_config").is_file()
        if settled and all(state == "running" for state in states.values()):
            for name in names:
                progress.phase(name, "running")
            return
        write_atomic(self.state / "plan.json", json.dumps(asdict(self.plan), indent=2) + "\n")
        write_atomic(file, text)
        (self.state / "ssh_config").unlink(missing_ok=True)
        before = self.identities()
        self._remove_half_made(names, before, progress)
        if self.plan.provider == "libvirt":
            networks.ensure_networks(self.plan.network, self.lab.subnet, self.lab.management_subnet)
        for name in names:
            progress.phase(name, "starting Vagrant")
        # vagrant-libvirt cannot make the same network for two labs at a time.
        with FileLock(cache.folder() / "vagrant-up.lock"):
            self._stream(progress, names)
        self._forget_host_keys(before)
        write_atomic(self.state / "ssh_config", self.runner.ssh_config())

    def _stream(self, progress: Progress, names: list[str]) -> None:
        phase = dict.fromkeys(names, "starting Vagrant")
        try:
            for line in self.runner.up(provider=self.plan.provider, stream_output=True):
                for name, text in _tell(progress, names, line):
                    phase[name] = text
        except subprocess.TimeoutExpired:
            late = "; ".join(f"{n}: {p}" for n, p in phase.items() if p != "booted")
            raise MachineError(
                f"vagrant up did not end within {BOOT_LIMIT:.0f} s ({late}).",
                f"The machine's console may say why: {self._console(names[0])}. "
                f"Vagrant's log: {self.runner.log}",
            ) from None
        except subprocess.CalledProcessError as error:
            raise MachineError(
                f"vagrant up failed: {self.runner.last_words()}",
                f"Vagrant's log: {self.runner.log}. Run inv up again to go on.",
            ) from error

    def _console(self, name: str) -> str:
        if self.plan.provider == "libvirt":
            return f"virsh -c {virsh.URI} console {self.plan.prefix}{name}"
        return f"the provider's own window of {name}"

    def identities(self) -> dict[str, str]:
        """What Vagrant remembers of each machine: the id that the provider gave it."""
        ids = {}
        for machine in self.lab.machines:
            file = self.state / "vagrant" / "machines" / machine.name / self.plan.provider / "id"
            with contextlib.suppress(OSError):
                ids[machine.name] = file.read_text()
        return ids

    def box(self) -> tuple[str, str] | None:
        """As Vagrant noted it when it made the first machine; else as it was planned."""
        first = self.state / "vagrant" / "machines" / self.lab.machines[0].name
        try:
            said = json.loads((first / self.plan.provider / "box_meta").read_text())
            return str(said["name"]), str(said["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.plan.box, self.plan.box_version or ""

    def _remove_half_made(
        self, names: Iterable[str], known: dict[str, str], progress: Progress
    ) -> None:
        """Domains and disks that were being made when a command was killed: Vagrant knows nothing
        of them, and would stop at their names."""
        if self.plan.provider == "libvirt":
            lost = {name for name in names if name not in known}
            for what in inventory.purge(self.plan.prefix, self.plan.network, self.state, lost):
                progress.say(f"removed half-made {what}")

    def _forget_host_keys(self, before: dict[str, str]) -> None:
        """A machine that was made anew has new host keys; the others keep theirs."""
        file = self.state / "known_hosts"
        if not file.is_file():
            return
        if any(before.get(name) != made for name, made in self.identities().items()):
            file.unlink()

    # -- looking ------------------------------------------------------------------------------

    def endpoints(self) -> dict[str, Endpoint]:
        file = self.state / "ssh_config"
        if not file.is_file():
            raise MachineError(f"Lab {self.lab.name!r} is not up.", "Run inv up.")
        config = paramiko.SSHConfig.from_path(str(file))
        ends = {}
        for machine in self.lab.machines:
            said = config.lookup(machine.name)
            ends[machine.name] = Endpoint(
                host=said["hostname"],
                port=int(said.get("port", 22)),
                user=said.get("user", "vagrant"),
                keys=tuple(Path(key.strip('"')) for key in said.get("identityfile", [])),
                known_hosts=self.state / "known_hosts",
                trust_first=True,
            )
        return ends

    def states(self) -> dict[str, MachineState]:
        names = [machine.name for machine in self.lab.machines]
        if self.plan.provider == "libvirt":
            return inventory.states(self.plan.prefix, names)
        known = self.identities()
        return {name: "unknown" if name in known else "absent" for name in names}

    # -- destroy ------------------------------------------------------------------------------

    def destroy(self, progress: Progress) -> list[str]:
        names = [machine.name for machine in self.lab.machines]
        for line in self.runner.finish_earlier():
            _tell(progress, names, line)
        removed = []
        known = self.identities()
        if known and (self.state / "Vagrantfile").is_file():
            for name in known:
                progress.phase(name, "removing it")
            with contextlib.suppress(subprocess.CalledProcessError):
                self.runner.run("destroy", "--force")
            removed += [f"machine {name}" for name in known if name not in self.identities()]
        if self.plan.provider == "libvirt":
            removed += inventory.purge(self.plan.prefix, self.plan.network, self.state)
        for name in known:
            progress.done(name, "gone")
        return removed

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        for line in self.runner.finish_earlier():
            _tell(progress, names, line)
        known = [name for name in names if name in self.identities()]
        for name in names:
            progress.phase(name, "removing it")
        if known:
            # Vagrant removes only machines that its file defines: it is written with all of them.
            write_atomic(self.state / "Vagrantfile", template.render(self.lab, self.plan))
            libvirt = self.plan.provider == "libvirt"
            with contextlib.suppress(*([MachineError] if libvirt else [])):
                self._run("destroy", "--force", *known)
        removed = [f"machine {name}" for name in known if name not in self.identities()]
        if self.plan.provider == "libvirt":
            removed += inventory.purge(
                self.plan.prefix, self.plan.network, self.state, only=set(names)
            )
            for name in names:
                # What libvirt no longer has is gone, whatever Vagrant remembers.
                shutil.rmtree(self.state / "vagrant" / "machines" / name, ignore_errors=True)
        elif left := [name for name in known if name in self.identities()]:
            raise MachineError(
                f"{', '.join(left)}: still there after vagrant destroy: {self.runner.last_words()}",
                f"Vagrant's log: {self.runner.log}",
            )
        for name in names:
            progress.done(name, "removed")
        return removed

    def restart(self, names: list[str], progress: Progress) -> None:
        for line in self.runner.finish_earlier():
            _tell(progress, names, line)
        for name in names:
            progress.phase(name, "stopping it, to restart it with its new CPUs and memory")
        self._run("halt", *names)

    def _run(self, *words: str) -> None:
        try:
            self.runner.run(*words)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise MachineError(
                f"vagrant {words[0]} failed: {self.runner.last_words()}",
                f"Vagrant's log: {self.runner.log}. Run inv up again.",
            ) from error

    def leftovers(self) -> list[str]:
        left = [f"machine {name} (in Vagrant's memory)" for name in self.identities()]
        if self.plan.provider == "libvirt":
            there = inventory.belongings(self.plan.prefix, self.plan.network, self.state)
            # What libvirt no longer has is gone, whatever Vagrant remembers.
            left = [f"{kind} {name}" for kind, names in there.items() for name in names]
        return left

    # -- checkpoints --------------------------------------------------------------------------

    def no_checkpoints(self) -> str:
        return ""

    def checkpoints(self) -> list[str]:
        if self.plan.provider == "libvirt":
            return snapshots.listed(self.plan.prefix, self._names())
        found: dict[str, list[str]] = {}
        for line in self._snapshot("list"):
            # "==> machine1: " stands above a machine's own, and "==> machine1: none …" for none.
            if said := re.match(r"==> ([a-z0-9-]+):", line):
                found[said[1]] = []
            elif found and line.strip() and not line.startswith(" "):
                found[list(found)[-1]].append(line.strip())
        first, *others = [found.get(name, []) for name in self._names()]
        return [name for name in first if all(name in other for other in others)]

    def save(self, name: str, progress: Progress) -> None:
        if self.plan.provider == "libvirt":
            snapshots.save(self.plan.prefix, self._names(), name)
        else:
            self._snapshot("save", "--force", name, progress=progress)

    def restore(self, name: str, progress: Progress) -> None:
        for line in self.runner.finish_earlier():
            _tell(progress, self._names(), line)
        if self.plan.provider == "libvirt":
            plan = self.plan
            snapshots.restore(plan.prefix, self._names(), plan.network, name)
        else:
            self._snapshot("restore", "--no-provision", name, progress=progress)

    def forget(self, name: str) -> None:
        if self.plan.provider == "libvirt":
            snapshots.forget(self.plan.prefix, self._names(), name)
        else:
            self._snapshot("delete", name)

    def _names(self) -> list[str]:
        return [machine.name for machine in self.lab.machines]

    def _snapshot(self, *words: str, progress: Progress | None = None) -> list[str]:
        """What Vagrant's own snapshot command said, for the providers that it has one for.

        Source: https://developer.hashicorp.com/vagrant/docs/cli/snapshot
        """
        lines = []
        try:
            for line in self.runner.stream("snapshot", *words):
                lines.append(line)
                if progress:
                    _tell(progress, self._names(), line)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise MachineError(
                f"vagrant snapshot {words[0]} failed: {self.runner.last_words()}",
                f"Vagrant's log: {self.runner.log}",
            ) from error
        return lines


def _tell(progress: Progress, names: list[str], line: str) -> list[tuple[str, str]]:
    """Tell a line of Vagrant's as a phase of its machine; what was told."""
    found = _LINE.match(line)
    if not found or found[1] not in names:
        return []
    for said, phase in _PHASES:
        if found[2].startswith(said):
            progress.phase(found[1], phase)
            return [(found[1], phase)]
    return []
