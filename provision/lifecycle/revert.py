"""What was done to hosts that exist already, undone: by the journal, and by nothing else."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from operator import not_

import docker.errors
import requests

from provision.changes.journal import MEMBERSHIPS, Entry, Journal, of_lab
from provision.engine import daemon_config
from provision.engine import install as engine
from provision.lab.model import Lab
from provision.machine.machine import Machine, connected
from provision.plugins import facts
from provision.plugins import install as plugin_install
from provision.providers.base import Provider
from provision.support.errors import MachineError, MachinesError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.support.wait import wait_until
from provision.swarm import leave, members

_APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
# What stays on a host until `--purge` is asked for.
KEPT = ("packages", "daemon", "group")
_TROUBLE = (docker.errors.APIError, requests.RequestException)


def revert(lab: Lab, provider: Provider, purge: bool, progress: Progress) -> list[str]:
    """Undo what the journal records for existing hosts; what was undone, in words.

    What is left on purpose is reported through `progress`, with the reason. Raises MachinesError
    for hosts that could not be reached or undone.
    """
    journal = of_lab(lab)
    if not journal.hosts():
        return []
    with connected(lab, provider.endpoints()) as machines:
        undoing = Undoing(machines, journal, purge, progress)
        try:
            undoing.all()
        finally:
            for what in undoing.left:
                progress.say(f"left {what}")
    return undoing.removed


def leftovers(lab: Lab) -> list[str]:
    """What should be undone and is not: a host that is not in lab.toml any more has such."""
    journal = of_lab(lab)
    here = {machine.name for machine in lab.machines}
    return [
        f"{name}: {entry.what}"
        + ("" if name in here else f" (put {name} back into {lab.file.name} to undo it)")
        for name in journal.hosts()
        for entry in journal.of(name)
        if entry.kind not in KEPT
    ]


class Undoing:
    """One `destroy` on the hosts of a lab: `removed` and `left` say, in words, what came of it."""

    def __init__(
        self, machines: dict[str, Machine], journal: Journal, purge: bool, progress: Progress
    ) -> None:
        self.machines = machines
        self.journal = journal
        self.purge = purge
        self.progress = progress
        self.removed: list[str] = []
        self.left: list[str] = []

    def all(self) -> None:
        """Undo all that can be. Raises MachinesError for hosts that could not be asked."""
        failures: dict[str, BaseException] = {}
        ours = [self.machines[name] for name in self.journal.hosts() if name in self.machines]
        try:
            run_on_all("logging in", ours, lambda machine: machine.connect(), self.progress)
        except MachinesError as error:
            failures.update(error.failures)
        there = [machine for machine in ours if machine.name not in failures]
        try:
            run_on_all("removing what scenarios have left", there, self._scenarios, self.progress)
        except MachinesError as error:
            failures.update(error.failures)
            there = [machine for machine in there if machine.name not in failures]
        # Workers first: a manager that has gone can tell nobody that they have left.
        for role in ("worker", "manager"):
            some = [m for m in there if m.plan.role == role and m.name not in failures]
            try:
                run_on_all("leaving the swarm", some, self._leave, self.progress)
            except MachinesError as error:
                failures.update(error.failures)
        well = [machine for machine in there if machine.name not in failures]
        try:
            run_on_all("undoing", well, self._rest, self.progress)
        except MachinesError as error:
            failures.update(error.failures)
        if failures:
            raise MachinesError(
                "undoing",
                failures,
                [machine.name for machine in ours if machine.name not in failures],
                note="What was done to them is still written down: inv destroy goes on from here.",
            )

    # -- scenarios that were killed -----------------------------------------------------------

    def _scenarios(self, machine: Machine) -> None:
        """What is the lab's in a swarm that stays; in its own it goes with the swarm."""
        entries = [e for e in self.journal.of(machine.name) if e.kind == "scenario"]
        stays = any(
            entry.kind == "swarm-adopt"
            for host in self.journal.hosts()
            for entry in self.journal.of(host)
        )
        if entries and stays and members.member(machine).manager:
            for entry in entries:
                self._scenario(machine, entry)
        self._forget(machine, entries)

    def _scenario(self, manager: Machine, entry: Entry) -> None:
        """Its services, then its networks, which go only when no task uses them any more."""
        client = manager.docker
        wanted = {tuple(item.split(" ", 1)) for item in entry.items}

        def networks() -> list[str]:
            here = [n for n in client.networks.list() if ("network", n.name) in wanted]
            for network in here:
                with contextlib.suppress(docker.errors.APIError):
                    network.remove()
            return [f"network {network.name}" for network in here]

        there = [s for s in client.services.list() if ("service", s.name) in wanted]
        for service in there:
            service.remove()
        found = networks()
        if left := wait_until(networks, not_, 60):
            raise MachineError(f"{manager.name}: {', '.join(left)} of {entry.what} does not go.")
        self.removed += [f"service {service.name}" for service in there] + found

    # -- the swarm ----------------------------------------------------------------------------

    def _leave(self, machine: Machine) -> None:
        entries = [e for e in self.journal.of(machine.name) if e.kind.startswith("swarm-")]
        memberships = [entry for entry in entries if entry.kind in MEMBERSHIPS]
        if not engine.facts(machine).daemon:
            # Somebody has removed Docker meanwhile, and with it all that it held.
            gone = ("image", "plugin", "setting")
            inside = [e for e in self.journal.of(machine.name) if e.kind in gone]
            self._forget(machine, [*entries, *inside])
            return
        if not memberships:
            self._forget(machine, entries)
            return
        self.progress.phase(machine.name, "leaving the swarm")
        member = members.member(machine)
        adopted = any(entry.kind == "swarm-adopt" for entry in memberships)
        if member.state == "inactive":
            self._bridge(machine, memberships[0])
        elif adopted or not self.journal.owns(machine.name, member.node_id):
            why = "it was in it before" if adopted else "Swarmrig has not made it"
            self.left.append(f"{machine.name} in its swarm: {why}")
        else:
            self._step_down(machine, member)
            machine.docker.api.leave_swarm(force=True)
            if members.member(machine).state != "inactive":
                raise MachineError(f"{machine.name}: is still in the swarm after leaving it.")
            self.removed.append(f"{machine.name} from the swarm")
            self._bridge(machine, memberships[0])
        self._forget(machine, entries)

    def _step_down(self, machine: Machine, member: members.Member) -> None:
        """Out of a swarm that stays: demoted before it goes, and its entry with it."""
        for name, other in self.machines.items():
            if any(entry.kind == "swarm-adopt" for entry in self.journal.of(name)):
                if members.member(other).manager:
                    leave.remove_entry(other, member.node_id)
                return

    def _bridge(self, machine: Machine, first: Entry) -> None:
        """Docker leaves this network behind when it leaves a swarm; before, it was not there."""
        if first.before.get("gwbridge"):
            return
        for network in machine.docker.networks.list(names=["docker_gwbridge"]):
            try:
                network.remove()
                self.removed.append(f"network docker_gwbridge on {machine.name}")
            except docker.errors.APIError as error:
                self.left.append(
                    f"network docker_gwbridge on {machine.name}: {error.explanation or error}"
                )

    # -- images, and with --purge what was installed ------------------------------------------

    def _rest(self, machine: Machine) -> None:
        for entry in reversed(self.journal.of(machine.name)):
            self.progress.phase(machine.name, f"undoing: {entry.what}")
            if entry.kind == "image":
                self._image(machine, entry)
            elif entry.kind == "plugin":
                self._plugin(machine, *entry.items)
            elif entry.kind == "setting":
                key, value = entry.items
                if daemon_config.unset(machine, key, value, self.progress):
                    self.removed.append(f"{key} from {daemon_config.FILE} on {machine.name}")
            elif entry.kind in KEPT:
                if not self.purge:
                    self.left.append(f"{machine.name}: {entry.what} (--purge undoes it)")
                    continue
                if not self._purged(machine, entry):
                    continue
            self.journal.forget(machine.name, entry)
        self.progress.done(machine.name, "undone")

    def _image(self, machine: Machine, entry: Entry) -> None:
        images = machine.docker.images
        for reference in entry.items:
            try:
                now = str(images.get(reference).id)
            except docker.errors.ImageNotFound:
                continue
            earlier, made = entry.before.get(reference, ""), entry.after.get(reference, "")
            if now == earlier:
                continue
            if made and now != made:
                self.left.append(f"image {reference} on {machine.name}: it is another one by now")
                continue
            try:
                if earlier:
                    name, _, tag = reference.rpartition(":")
                    images.get(earlier).tag(name, tag)
                    images.remove(now)
                else:
                    images.remove(reference)
                self.removed.append(f"image {reference} on {machine.name}")
            except docker.errors.APIError as error:
                self.left.append(
                    f"image {reference} on {machine.name}: {error.explanation or error}"
                )

    def _plugin(self, machine: Machine, reference: str) -> None:
        if facts.installed(machine, reference):
            plugin_install.remove(machine, reference)
            self.removed.append(f"plugin {reference} on {machine.name}")

    def _purged(self, machine: Machine, entry: Entry) -> bool:
        """Undo an installation, a start, a group; whether that is done."""
        if entry.kind == "group":
            # Where the group has gone with the engine there is nothing left to leave.
            user = shlex.quote(entry.items[0])
            machine.run_checked(
                f"if id -nG {user} | grep -qw docker; then gpasswd -d {user} docker; fi",
                sudo=True,
            )
            self.removed.append(f"{entry.items[0]} from the group docker on {machine.name}")
            return True
        if entry.kind == "daemon":
            if entry.before.get("active") != "active":
                machine.run_checked("systemctl stop docker.socket docker", 120, sudo=True)
            if entry.before.get("enabled") == "disabled":
                machine.run_checked("systemctl disable docker", sudo=True)
            self.removed.append(f"Docker's start on {machine.name}")
            return True
        return self._packages(machine, entry)

    def _packages(self, machine: Machine, entry: Entry) -> bool:
        known = entry.after.get("added")
        added = (engine.added(machine, entry.before) if known is None else known).split()
        whole_engine = not entry.before.get("engine")
        if whole_engine and (others := _belongings(machine)):
            self.left.append(
                f"Docker on {machine.name}: it has what is not the lab's: {', '.join(others)}"
            )
            return False
        there = set(engine.before(machine)["packages"].split())
        names = [name for name in added if name in there]
        if names and (dragged := _dragged(machine, names)):
            self.left.append(
                f"{machine.name}: {', '.join(entry.items)}: {', '.join(dragged)} "
                "would have to go as well"
            )
            return False
        machine.close()
        if whole_engine:
            # An installation that was cut off may not have come to have them all.
            machine.run("systemctl disable --now docker.socket docker containerd", 120, sudo=True)
        if names:
            self._remove(machine, names)
        if whole_engine:
            machine.run_checked(_clean_up(entry), 300, sudo=True)
            self.left.append(
                f"packet filter rules of Docker on {machine.name}: they go with its next boot"
            )
        still = set(engine.before(machine)["packages"].split()) & set(names)
        if still:
            raise MachineError(f"{machine.name}: still installed: {', '.join(sorted(still))}")
        self.removed.append(f"{', '.join(names) or 'nothing of Docker'} on {machine.name}")
        return True

    def _remove(self, machine: Machine, names: list[str]) -> None:
        words = shlex.join(names)
        purge = f"{_APT} purge -y {words}"
        script = f"if command -v apt-get >/dev/null; then {purge}; else rpm -e {words}; fi"
        done = machine.run(script, 900, sudo=True)
        if not done.ok:
            raise MachineError(f"{machine.name}: removing packages: {done.last_words}")

    def _forget(self, machine: Machine, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.journal.forget(machine.name, entry)


def _belongings(machine: Machine) -> list[str]:
    """Containers and volumes on an engine that the lab has installed, but not made itself."""
    if not machine.run("command -v docker", timeout=30).ok:
        return []
    try:
        client = machine.docker
        found = [f"container {c.name}" for c in client.containers.list(all=True)]
        return found + [f"volume {volume.name}" for volume in client.volumes.list()]
    except _TROUBLE as error:
        raise MachineError(f"{machine.name}: Docker does not answer: {error}") from error


def _dragged(machine: Machine, names: list[str]) -> list[str]:
    """Packages that depend on those to be removed, and are not among them."""
    simulated = machine.run(f"{_APT} -s purge {shlex.join(names)}", 120, sudo=True)
    going = {
        line.split()[1]
        for line in simulated.stdout.splitlines()
        if line.startswith(("Purg", "Remv"))
    }
    return sorted(going - set(names))


def _clean_up(entry: Entry) -> str:
    """The shell text that removes what Docker's packages leave behind, and was not there before."""
    earlier = set(entry.before.get("paths", "").split())
    empty = set(entry.before.get("empty", "").split())
    lines = ["set -e"]
    for path in (*engine.DATA_FOLDERS, *engine.REPOSITORY_FILES):
        if path not in earlier:
            # The folder may be a mount of its own: then it is emptied, and stays.
            lines.append(
                f"if [ -d {path} ]; then find {path} -mindepth 1 -delete; rmdir {path} || true; "
                f"else rm -f {path}; fi"
            )
        elif path in empty:
            lines.append(f"find {path} -mindepth 1 -delete")
    if engine.SETTINGS_FOLDER in earlier:
        theirs = [name for name in entry.before.get("settings", "").split("/") if name]
        keep = " ".join(f"! -name {shlex.quote(name)}" for name in theirs)
        lines.append(
            f"find {engine.SETTINGS_FOLDER} -mindepth 1 -maxdepth 1 {keep} -exec rm -rf {{}} +"
        )
    if not entry.before.get("group"):
        lines.append("if getent group docker >/dev/null; then groupdel docker; fi")
    lines.append("ip link delete docker0 2>/dev/null || true")
    return "\n".join(lines)
