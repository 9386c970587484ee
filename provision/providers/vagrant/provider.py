"""Virtual machines, through Vagrant: called as seldom as possible, for its Ruby takes seconds."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import paramiko
from filelock import FileLock, Timeout

from provision.lab.model import Lab
from provision.providers import forwards, machine_key
from provision.providers.backends import registry
from provision.providers.base import Checkpoints, MachineState
from provision.providers.boxes import store
from provision.providers.vagrant import output, template
from provision.providers.vagrant.checkpoints import BetweenCommands, SnapshotCommand
from provision.providers.vagrant.runner import Runner
from provision.providers.vagrant.template import Plan
from provision.ssh.endpoint import Endpoint
from provision.support import cache
from provision.support.errors import MachineError
from provision.support.files import write_atomic
from provision.support.progress import Progress

BOOT_LIMIT = 1800.0  # seconds for one `vagrant up`; emulated machines take minutes
_AFRESH = "If a machine was damaged, by a power cut say, recreate the lab: inv rebuild --cold."


class VagrantProvider:
    """A lab's machines by Vagrant. All state lies in `lab.state`, Vagrant's box store aside.

    Raises UserError where the plan names a provider that is not known.
    """

    def __init__(self, lab: Lab, plan: Plan) -> None:
        self.lab = lab
        self.plan = plan
        self.backend = registry.backend(plan.provider)
        self.state = lab.state
        # Vagrant 2.3 sizes no disk unless it is told that it may try (VAGRANT_EXPERIMENTAL).
        sized = plan.provider != "libvirt" and any(machine.disk for machine in lab.machines)
        self.runner = Runner(lab.state, BOOT_LIMIT, experiments="disks" if sized else "")
        self._names = [machine.name for machine in lab.machines]

    @property
    def name(self) -> str:
        return self.plan.provider

    @classmethod
    def from_state(cls, lab: Lab) -> VagrantProvider | None:
        """The provider as an earlier `up` planned it; None where there was none."""
        try:
            kept = json.loads(lab.files.plan.read_text(encoding="utf-8"))
            return cls(lab, Plan(**{**kept, "notes": tuple(kept.get("notes", ()))}))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise MachineError(f"{lab.files.plan} cannot be read: {error}") from None

    # -- up -----------------------------------------------------------------------------------

    def up(self, progress: Progress) -> None:
        self._finish_earlier(progress)
        text = template.render(self.lab, self.plan)
        file = self.state / "Vagrantfile"
        unchanged = file.is_file() and file.read_text(encoding="utf-8") == text
        self.backend.resume(self.lab)
        states = self.states()
        settled = unchanged and (self.state / "ssh_config").is_file()
        if settled and all(state == "running" for state in states.values()):
            for name in self._names:
                progress.phase(name, "running")
            self._forward_again(restored=False)
            return
        off = [name for name, state in states.items() if state != "running"]
        self.backend.close_ports(self.lab, off)
        forwards.check(self.lab, off)
        self._remove_failed(progress)
        self._see_disks([name for name, state in states.items() if state == "stopped"])
        write_atomic(self.state / "plan.json", json.dumps(asdict(self.plan), indent=2) + "\n")
        write_atomic(file, text)
        (self.state / "ssh_config").unlink(missing_ok=True)
        before = self.identities()
        # What was being made when a command was killed: Vagrant would stop at the names.
        for what in self.backend.remove_unfinished(self.lab, set(self._names) - set(before)):
            progress.say(f"removed half-made {what}")
        if self.plan.metadata:
            machine_key.keep(self.state)
        self.backend.prepare(self.lab)
        for name in self._names:
            progress.phase(name, "starting Vagrant")
        with self._in_turn(progress):
            try:
                self._boot(progress)
            except BaseException:
                self._note_unfinished(before)
                raise
        self._unfinished.unlink(missing_ok=True)
        self._forget_host_keys(before)
        own_key = all(map(self.plan.hands_over, self.lab.machines))
        way = self.backend.ssh_config(self.lab, own_key) or self.runner.ssh_config()
        write_atomic(self.state / "ssh_config", way)
        self._see_addresses()

    @contextlib.contextmanager
    def _in_turn(self, progress: Progress) -> Iterator[None]:
        """One `vagrant up` of a provider at a time, of all labs of this user.

        vagrant-libvirt cannot make the same network for two labs at a time, and Vagrant's docker
        provider may give two labs the same port. Labs of other providers do not wait.
        """
        lock = FileLock(cache.folder() / f"vagrant-up-{self.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.say("waiting for another lab, which Vagrant is bringing up")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @property
    def _unfinished(self) -> Path:
        return self.state / "unfinished.json"

    def _note_unfinished(self, before: dict[str, str]) -> None:
        """Write down which machines a failed `vagrant up` has left, by their ids.

        Vagrant sets names and addresses on the way up alone: a machine that runs by the next `up`
        would never get them.
        """
        made = {id_ for name, id_ in self.identities().items() if before.get(name) != id_}
        if made:
            write_atomic(self._unfinished, json.dumps(sorted(made | self._noted())) + "\n")

    def _noted(self) -> set[str]:
        try:
            return set(json.loads(self._unfinished.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return set()

    def _remove_failed(self, progress: Progress) -> None:
        """Remove machines whose first start has failed; they are created again."""
        noted = self._noted()
        names = [name for name, id_ in self.identities().items() if id_ in noted]
        if names and (self.state / "Vagrantfile").is_file():
            progress.say(f"recreating {', '.join(names)}: the first start has failed")
            self._run("destroy", "--force", *names)

    def _see_disks(self, stopped: list[str]) -> None:
        """Refuse to boot from a damaged disk: that takes minutes, and ends in whatever error."""
        if damaged := self.backend.damaged(self.lab, stopped):
            words = "; ".join(f"{name}: its disk {disk}" for name, disk in damaged.items())
            raise MachineError(
                f"{words} is damaged (qemu-img check), as after a power cut of this host.",
                "Recreate the lab: inv rebuild --cold, or inv destroy and inv up.",
            )

    def _see_addresses(self) -> None:
        """Refuse machines that have one address: whichever answers would be taken for both."""
        names: dict[tuple[str, int], list[str]] = {}
        for name, end in self.endpoints().items():
            names.setdefault((end.host, end.port), []).append(name)
        for (host, _), twins in names.items():
            if len(twins) > 1:
                raise MachineError(
                    f"{', '.join(twins)} have one address, {host}: the box has a machine-id, which "
                    "all its copies use to ask for addresses.",
                    "Take another box, or empty /etc/machine-id in it (truncate -s 0) before it is "
                    "packaged. Then: inv destroy, inv up.",
                )

    def _boot(self, progress: Progress) -> None:
        phases = dict.fromkeys(self._names, "starting Vagrant")
        try:
            for line in self.runner.up(provider=self.plan.provider, stream_output=True):
                phases |= output.report(progress, self._names, line)
        except subprocess.TimeoutExpired:
            late = "; ".join(f"{name}: {p}" for name, p in phases.items() if p != "booted")
            console = self.backend.console(self.lab, self._names[0])
            raise MachineError(
                f"vagrant up did not end within {BOOT_LIMIT:.0f} s ({late}).",
                f"The machine's console may show why: {console}. Vagrant's log: {self.runner.log}. "
                f"{_AFRESH}",
            ) from None
        except subprocess.CalledProcessError as error:
            words = self.runner.last_words()
            if behind := self.backend.explain(words):
                raise MachineError(
                    f"{behind.what}.\nvagrant up failed: {words}",
                    f"{behind.advice}. Vagrant's log: {self.runner.log}.",
                ) from error
            raise MachineError(
                f"vagrant up failed: {words}",
                f"Vagrant's log: {self.runner.log}. Run inv up again to resume. {_AFRESH}",
            ) from error

    def _finish_earlier(self, progress: Progress) -> None:
        def waiting(process: int) -> None:
            progress.say(
                f"waiting for Vagrant, started by an earlier command (process {process}), to end"
            )

        for line in self.runner.finish_earlier(waiting):
            output.report(progress, self._names, line)

    def identities(self) -> dict[str, str]:
        """What Vagrant remembers of each machine: the id that the provider gave it."""
        ids = {}
        for name in self._names:
            file = self.state / "vagrant" / "machines" / name / self.plan.provider / "id"
            with contextlib.suppress(OSError):
                ids[name] = file.read_text(encoding="utf-8")
        return ids

    def box(self) -> tuple[str, str] | None:
        """As Vagrant noted it when it made the first machine; else as it was planned."""
        # A machine with a box of its own does not tell which one the lab's is.
        own = [machine.name for machine in self.lab.machines if machine.box]
        names = [name for name in self._names if name not in own]
        if not names:
            return self.plan.box, self.plan.box_version or ""
        first = self.state / "vagrant" / "machines" / names[0]
        try:
            noted = json.loads(
                (first / self.plan.provider / "box_meta").read_text(encoding="utf-8")
            )
            return str(noted["name"]), str(noted["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.plan.box, self.plan.box_version or ""

    def box_checksum(self) -> str:
        return self.backend.image_digest(*(self.box() or ("", "")))

    def _forget_host_keys(self, before: dict[str, str]) -> None:
        """A recreated machine has new host keys; the others keep theirs."""
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
        said = file.read_text(encoding="utf-8", errors="surrogateescape")
        config, keys = paramiko.SSHConfig.from_text(said), output.identity_files(said)
        ends = {}
        for name in self._names:
            settings = config.lookup(name)
            ends[name] = Endpoint(
                host=settings["hostname"],
                port=int(settings.get("port", 22)),
                user=settings.get("user", "vagrant"),
                keys=tuple(map(Path, keys.get(name, ()))),
                known_hosts=self.state / "known_hosts",
                trust_first=True,
                # The port that is forwarded to a machine may be another one after each boot.
                alias=name,
            )
        return ends

    def states(self) -> dict[str, MachineState]:
        return self.backend.states(self.lab, set(self.identities()))

    # -- destroy ------------------------------------------------------------------------------

    def destroy(self, progress: Progress) -> list[str]:
        # What it was making goes anyway.
        self.runner.end_earlier(
            lambda process: progress.say(
                f"interrupting Vagrant, started by an earlier command (process {process})"
            )
        )
        self._finish_earlier(progress)
        removed = []
        known = self.identities()
        if known and (self.state / "Vagrantfile").is_file():
            for name in known:
                progress.phase(name, "removing it")
            removed += self.backend.before_destroy(self.lab)
            with contextlib.suppress(subprocess.CalledProcessError):
                self.runner.run("destroy", "--force")
            removed += [f"machine {name}" for name in known if name not in self.identities()]
        removed += self.backend.purge(self.lab)
        for name in known:
            progress.done(name, "gone")
        return removed

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        self._finish_earlier(progress)
        known = [name for name in names if name in self.identities()]
        for name in names:
            progress.phase(name, "removing it")
        if known:
            # Vagrant removes only machines that its file defines: it is written with all of them.
            write_atomic(self.state / "Vagrantfile", template.render(self.lab, self.plan))
            with contextlib.suppress(*([MachineError] if self.backend.lists_machines else [])):
                self._run("destroy", "--force", *known)
        removed = [f"machine {name}" for name in known if name not in self.identities()]
        removed += self.backend.remove_unfinished(self.lab, set(names))
        if self.backend.lists_machines:
            for name in names:
                # What the provider no longer lists is gone, whatever Vagrant remembers.
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
        self._finish_earlier(progress)
        for name in names:
            progress.phase(name, "stopping it, to restart it with its new settings")
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
        return self.backend.leftovers(self.lab, set(self.identities()))

    def stays(self) -> list[str]:
        name, version = self.box() or ("", "")
        found = []
        if self.backend.uses_boxes and store.stored(name, self.name, version or None):
            only = f" --box-version {version}" if version else ""
            remove = f"vagrant box remove {shlex.quote(name)} --provider {self.name}{only}"
            found = [f"box {name} {version}".rstrip() + f" ({remove})"]
        with contextlib.suppress(MachineError):
            found += self.backend.stays(self.lab, name, version)
        return found

    # -- checkpoints --------------------------------------------------------------------------

    @property
    def no_checkpoints(self) -> str:
        return self.backend.no_checkpoints

    @property
    def checkpoints(self) -> Checkpoints | None:
        if self.no_checkpoints:
            return None
        kept = self.backend.checkpoints(self.lab, SnapshotCommand(self.lab, self.runner))
        after = partial(self._forward_again, restored=True)
        return BetweenCommands(kept, before=self._finish_earlier, after=after)

    def _forward_again(self, restored: bool) -> None:
        if any(machine.forward for machine in self.lab.machines):
            self.backend.forward(self.lab, self.endpoints(), restored)
