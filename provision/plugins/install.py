"""A plugin brought to every node at once: installed or made, set, enabled, verified; and removed.

Each verb looks first and does what is missing: a plugin that is there, enabled and set as wanted
is left alone. What a person would type (`docker plugin …`) is run by the command line and kept;
settings go through the Engine API, so that a password is on no command line.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors

from provision.changes.journal import Entry
from provision.changes.outcome import Outcome
from provision.lab.model import PASSWORD_SETTING, PluginSpec
from provision.machine.machine import Machine, Result
from provision.plugins import api_version, archive, diagnose, facts, privileges, weave
from provision.support.errors import MachineError, UserError
from provision.support.parallel import run_on_all
from provision.support.wait import wait_until

# By a plugin's socket: what undoes what it has made on a machine, with the help of what is in its
# root file system; called while it is disabled and not yet removed.
_CLEAN: dict[str, Callable[[Machine, str], None]] = {weave.SOCKET: weave.clean}
_STARTS = 3  # a slow machine's plugin comes up later than its engine waits, and is then quicker

# tar reads what is fed; the folder goes whatever happens, a lost connection included: it ends the
# input. A kernel module stays where it is; what root unpacks is root's.
_MAKE = """
set -e
dir=$(mktemp -d /var/tmp/swarmrig-plugin.XXXXXX)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
tar -x {zip}-C "$dir"
docker plugin create {reference} "$dir"
"""


@dataclass(frozen=True)
class Wanted:
    """A plugin as a lab wants it: its real reference, and what `Plugin` says of it.

    `config` is the archive's config.json, None for one that comes from a registry; `modules` are
    kernel modules that it needs; `asked` is the Engine API version that it asks for ("" unknown);
    `allowed` are the privileges that it may have.
    """

    reference: str
    plugin: PluginSpec
    config: dict[str, Any] | None = None
    modules: tuple[str, ...] = ()
    asked: str = ""
    allowed: frozenset[privileges.Privilege] = privileges.EXERCISE

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.plugin.password,) if self.plugin.password else ()


@dataclass
class Done:
    """What was done on one machine: the commands that ran, and what has to be known of them."""

    commands: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plugin: facts.Installed | None = None


def resolve(
    machines: Iterable[Machine],
    plugin: PluginSpec,
    modules: tuple[str, ...] = (),
    allowed: frozenset[privileges.Privilege] = privileges.EXERCISE,
) -> Wanted:
    """Resolve what a lab says of its plugin, and see that every engine can take it.

    Raises UserError: machines of several architectures under one "auto", an archive that is none,
    an engine that no longer speaks the plugin's API.
    """
    ordered = list(machines)
    names = run_on_all("asking the engine", ordered, lambda m: facts.reference_on(m, plugin))
    if len(set(names.values())) > 1:
        raise UserError(
            "The machines need different plugins: "
            + ", ".join(f"{machine} {name}" for machine, name in names.items()),
            "A network has one driver's name on all nodes: name one in weave.plugin.",
        )
    reference = names[ordered[0].name]
    config = archive.read_archive(plugin.archive) if plugin.archive else None
    asked = api_version.asked_by(plugin, reference)
    if config is not None:
        check_settings(reference, config, plugin)
    if asked and not api_version.adapts(plugin):
        for name, engine in run_on_all("asking the engine", ordered, api_version.served).items():
            api_version.check(name, engine, asked)
    return Wanted(reference, plugin, config, modules, asked, allowed)


def check_settings(reference: str, config: dict[str, Any], plugin: PluginSpec) -> None:
    """See that the plugin has every setting that lab.toml gives. Raises UserError."""
    free = facts.settable(config)
    if unknown := sorted(set(plugin.all_settings) - free):
        raise UserError(
            f"Plugin {reference} has no setting {', '.join(unknown)}.",
            f"It has: {', '.join(sorted(free)) or 'none'} (weave.settings in lab.toml).",
        )


def asked(machine: Machine, want: Wanted) -> list[privileges.Privilege]:
    """What the plugin asks for: from its archive, from what is there, or from the registry."""
    if want.config is not None:
        return privileges.asked_in(want.config)
    there = facts.installed(machine, want.reference)
    if there:
        return privileges.asked_in(there.config)
    return privileges.asked_of_registry(machine, want.reference)


def refuse_traces(machines: Iterable[Machine], left: Callable[[Machine], list[str]]) -> None:
    """See that hosts where the lab has installed no plugin have nothing of another one like it.

    The lab's clean-up would remove its bridge, rules and database. Raises UserError.
    """
    traces = run_on_all("looking for another of its kind", machines, left)
    if found := [f"{name} ({', '.join(what)})" for name, what in traces.items() if what]:
        raise UserError(
            f"There are traces of another installation, not by this lab, on {'; '.join(found)}.",
            "The exercise ends with their removal: take other hosts, or remove it there first.",
        )


Brought = Callable[[str, facts.Installed], None]


class _Busy:
    """Counts machines that are being worked on, so that an interrupt can let them finish."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        with self._changed:
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def wait(self, patience: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._working == 0, patience)


def ensure(
    machines: Iterable[Machine],
    want: Wanted,
    kept: dict[str, Done] | None = None,
    brought: Brought | None = None,
) -> dict[str, Done]:
    """The plugin on every machine at once; what was done, by machine's name.

    The privileges were compared before. An interrupt lets what has begun on a machine finish (at
    most two minutes), so that what removes the plugin then finds it. Raises MachinesError with
    each machine's own explanation; what was done until then is in `kept`. `brought` is called
    with a machine's name and a plugin that was just installed there.
    """
    busy = _Busy()
    kept = {} if kept is None else kept

    def work(machine: Machine) -> Done:
        with busy.working():
            done = kept[machine.name] = Done()
            _one(machine, want, done, brought)
            return done

    try:
        return run_on_all("the plugin", machines, work)
    except KeyboardInterrupt:
        busy.wait(120)
        raise


def _one(machine: Machine, want: Wanted, done: Done, brought: Brought | None) -> None:
    there = facts.installed(machine, want.reference)
    if there is None:
        there = bring(machine, want, done)
        if brought:
            brought(machine.name, there)
    else:
        done.notes.append(f"{machine.name} has the plugin already")
    # What it has been given is looked at again before it starts: a registry may give another one
    # than it was asked about.
    if more := privileges.beyond(privileges.asked_in(there.config), want.allowed, frozenset()):
        raise privileges.refuse(want.reference, more)
    lacks = missing_modules(machine, want.modules)
    settings = _settings(machine, want, there)
    if any(there.settings.get(name, "") != value for name, value in settings.items()):
        if there.enabled:
            _run(machine, f"docker plugin disable {shlex.quote(want.reference)}", done)
            there = _found(machine, want.reference)
        _set(machine, want, settings)
        done.notes.append(f"set on {machine.name}: {', '.join(sorted(settings))}")
    if not there.enabled:
        _enable(machine, want, there, done, lacks)
    done.plugin = _found(machine, want.reference)
    if not done.plugin.enabled:
        raise MachineError(f"{machine.name}: plugin {want.reference} is there, but not enabled.")


def bring(machine: Machine, want: Wanted, done: Done) -> facts.Installed:
    """Install or make the plugin on a machine that does not have it, and leave it disabled."""
    quoted = shlex.quote(want.reference)
    if want.plugin.archive is None:
        # It is looked at before it starts, whatever is granted here.
        _run(
            machine,
            f"docker plugin install --disable --grant-all-permissions {quoted}",
            done,
            "Where no registry has it: weave.plugin_archive in lab.toml.",
        )
    else:
        command = _MAKE.format(zip=_zip(want.plugin.archive), reference=quoted).strip()
        result = machine.feed(command, want.plugin.archive, 900, sudo=True)
        _kept(result, machine, done, "Is its disk full? inv ssh " + machine.name)
    return _found(machine, want.reference)


def _zip(archive: Path) -> str:
    with archive.open("rb") as file:
        # RFC 1952: the two bytes that every gzip file begins with.
        return "-z " if file.read(2) == b"\x1f\x8b" else ""


def _run(machine: Machine, command: str, done: Done, advice: str = "") -> None:
    _kept(machine.run(command, 900), machine, done, advice)


def _kept(result: Result, machine: Machine, done: Done, advice: str) -> None:
    done.commands.append(result)
    if not result.ok:
        raise MachineError(
            f"{machine.name}: `{result.command.splitlines()[-1]}`: {result.last_words}", advice
        )


def _found(machine: Machine, reference: str) -> facts.Installed:
    found = facts.installed(machine, reference)
    if found is None:
        raise MachineError(f"{machine.name}: plugin {reference} is not there, though it was made.")
    return found


def _settings(machine: Machine, want: Wanted, there: facts.Installed) -> dict[str, str]:
    """The settings to have: lab.toml's, and an API version where the engine needs another one."""
    settings = dict(want.plugin.all_settings)
    check_settings(want.reference, there.config, want.plugin)
    free = facts.settable(there.config)
    if want.asked and api_version.OVERRIDE in free and api_version.OVERRIDE not in settings:
        engine = api_version.served(machine)
        if api_version.verdict(engine, want.asked).remedy != "nothing":
            settings[api_version.OVERRIDE] = engine.lowest
    return settings


def _set(machine: Machine, want: Wanted, settings: dict[str, str]) -> None:
    try:
        machine.docker.api.configure_plugin(want.reference, settings)
    except docker.errors.APIError as error:
        words = str(error.explanation or error)
        for secret in want.secrets:
            words = words.replace(secret, "***")
        # Without the cause: its text is the request's.
        raise MachineError(
            f"{machine.name}: plugin {want.reference} does not take its settings: {words}",
            "weave.settings in lab.toml.",
        ) from None


def _enable(
    machine: Machine, want: Wanted, there: facts.Installed, done: Done, lacks: tuple[str, ...]
) -> None:
    command = f"docker plugin enable {shlex.quote(want.reference)}"
    for start in range(1, _STARTS + 1):
        since = machine.run_checked("date +%s", 30).strip()
        result = machine.run(command, 300)
        if result.ok:
            done.commands.append(result)
            return
        log = diagnose.lines(machine, there.id, since, want.secrets)
        why = diagnose.explain(result.last_words, log, lacks)
        if not why.late or start == _STARTS:
            done.commands.append(result)
            raise MachineError(
                f"{machine.name}: plugin {want.reference} does not start: {why.report()}",
                why.advice or f"inv ssh {machine.name}, then sudo journalctl -u docker",
            )
        done.notes.append(f"{machine.name}: start {start} of {_STARTS}: {why.cause}")
        _wait_stopped(machine, there.id)


def _wait_stopped(machine: Machine, plugin: str, patience: float = 60) -> None:
    """Wait until what is left of a failed start has ended: until then a new one is refused."""
    # The brackets keep the search from finding itself.
    look = f"grep -l '[{plugin[0]}]{plugin[1:]}' /proc/[0-9]*/cmdline 2>/dev/null"
    wait_until(lambda: machine.run(look, 30, sudo=True), lambda found: not found.ok, patience)


def missing_modules(machine: Machine, modules: tuple[str, ...]) -> tuple[str, ...]:
    """Load kernel modules where they are; which ones this kernel does not have."""
    if not modules:
        return ()
    said = machine.run(
        "PATH=$PATH:/usr/sbin:/sbin; "
        f"for m in {' '.join(map(shlex.quote, modules))}; do "
        'modprobe -q "$m" 2>/dev/null || [ -d "/sys/module/$m" ] || echo "$m"; done',
        60,
        sudo=True,
    )
    return tuple(said.stdout.split())


def remove(machine: Machine, reference: str, patience: float = 60) -> Done:
    """Disable and remove the plugin, and what it has made; what ran. Without it nothing is done.

    An engine frees a driver a moment after its last network has gone; until then it is tried
    again, for `patience` seconds. Raises MachineError with the engine's own words.
    """
    done = Done()
    there = facts.installed(machine, reference)
    if there is None:
        return done
    quoted = shlex.quote(reference)
    if there.enabled:
        _until_ok(machine, f"docker plugin disable {quoted}", done, patience)
    if clean := _CLEAN.get(facts.socket_of(there.config)):
        root = machine.docker.info()["DockerRootDir"]
        clean(machine, f"{root}/plugins/{there.id}/rootfs")
    _until_ok(machine, f"docker plugin rm {quoted}", done, patience)
    if facts.installed(machine, reference):
        raise MachineError(f"{machine.name}: plugin {reference} is still there.")
    return done


def _until_ok(machine: Machine, command: str, done: Done, patience: float) -> None:
    last = wait_until(
        lambda: machine.run(command, 120), lambda result: result.ok, patience, pause=1
    )
    _kept(last, machine, done, "A network may still use it: docker network ls")


def undo(machine: Machine, entry: Entry, outcome: Outcome) -> None:
    """Remove a plugin that was installed, unless it is gone already."""
    (reference,) = entry.items
    there = facts.installed(machine, reference)
    if there and entry.after.get("id", there.id) != there.id:
        outcome.left.append(f"plugin {reference} on {machine.name}: it is another one by now")
    elif there:
        remove(machine, reference)
        outcome.removed.append(f"plugin {reference} on {machine.name}")


def without_secrets(document: Any) -> Any:
    """An inspect document of a plugin with the values of its passwords left out."""
    if isinstance(document, dict):
        return {key: without_secrets(value) for key, value in document.items()}
    if isinstance(document, list):
        return [without_secrets(value) for value in document]
    if isinstance(document, str) and document.startswith(f"{PASSWORD_SETTING}="):
        return f"{PASSWORD_SETTING}=***" if document != f"{PASSWORD_SETTING}=" else document
    return document
