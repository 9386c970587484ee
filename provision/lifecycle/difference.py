"""What an edited lab.toml changes in a lab that exists, and how each difference is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from provision.lab.model import Lab, MachineSpec, Script

How = Literal["live", "added", "removed", "restart", "recreate", "script"]

_WORDS: dict[How, str] = {
    "live": "applied without a restart",
    "added": "brought up and joined to the swarm",
    "removed": "drained, removed from the swarm, and destroyed or undone",
    "restart": "applied by restarting the machine",
    "script": "run on the machines; what an earlier one did stays",
    "recreate": "needs the lab to be recreated",
}


@dataclass(frozen=True)
class Difference:
    """One difference: what changed, how it is applied, and of which machine ("" for the lab)."""

    how: How
    what: str
    machine: str = ""

    def __str__(self) -> str:
        who = f"{self.machine}: " if self.machine else ""
        return f"{who}{self.what}: {_WORDS[self.how]}"


def differences(applied: Lab, wanted: Lab) -> list[Difference]:
    """What `wanted` changes in a lab that was brought up as `applied`; nothing is looked at."""
    return [*_of_lab(applied, wanted), *_of_machines(applied, wanted)]


def _of_lab(applied: Lab, wanted: Lab) -> Iterator[Difference]:
    recreate: list[tuple[str, object, object]] = []
    if wanted.provider not in ("auto", applied.provider) and applied.provider != "auto":
        recreate.append(("provider", applied.provider, wanted.provider))
    if wanted.provider != "hosts":
        recreate += [
            ("box", applied.box, wanted.box),
            ("box_version", applied.box_version, wanted.box_version),
            ("suite", applied.suite, wanted.suite),
            ("network.subnet", applied.subnet, wanted.subnet),
            ("network.management", applied.management_subnet, wanted.management_subnet),
        ]
    recreate += [
        ("swarm.address_pool", applied.swarm.address_pool, wanted.swarm.address_pool),
        ("swarm.subnet_size", applied.swarm.subnet_size, wanted.swarm.subnet_size),
        ("swarm.data_path_port", applied.swarm.data_path_port, wanted.swarm.data_path_port),
    ]
    live: list[tuple[str, object, object]] = [
        ("docker.version", applied.docker_version, wanted.docker_version),
        ("images.scenario", applied.image, wanted.image),
    ]
    if applied.provider in {"auto", "hyperv"}:
        recreate.append(("hyperv.switch", applied.hyperv_switch, wanted.hyperv_switch))
    yield from _settings(applied.provider_settings, wanted.provider_settings, applied.provider)
    for key, was, now in recreate:
        if was != now:
            yield Difference("recreate", _changed(key, was, now))
    for key, was, now in live:
        if was != now:
            yield Difference("live", _changed(key, was, now))
    if applied.proxy != wanted.proxy:
        # Its URLs can hold a password.
        yield Difference("live", "proxy changed")
    if keys := _keys(applied.docker_settings, wanted.docker_settings):
        # Not their values: one may hold a password.
        yield Difference("live", f"docker.settings: {', '.join(keys)} changed")
    if (was_script := _name(applied.provision)) != (script := _name(wanted.provision)):
        yield Difference("script", _changed("provision", was_script, script))
    if applied.image_archives != wanted.image_archives:
        yield Difference("live", "images.archives changed")
    if applied.weave != wanted.weave:
        # Its settings can hold a password.
        yield Difference("live", "weave changed")


def _of_machines(applied: Lab, wanted: Lab) -> Iterator[Difference]:
    before = {machine.name: machine for machine in applied.machines}
    now = {machine.name for machine in wanted.machines}
    for name in before:
        if name not in now:
            yield Difference("removed", "removed from the lab", name)
    for machine in wanted.machines:
        if machine.name in before:
            yield from _of_machine(before[machine.name], machine, applied.provider)
        else:
            yield Difference("added", "added to the lab", machine.name)


def _of_machine(was: MachineSpec, now: MachineSpec, provider: str) -> Iterator[Difference]:
    name = now.name
    if was.address != now.address:
        yield Difference("recreate", _changed("address", was.address, now.address), name)
    if _name(was.provision) != _name(now.provision):
        what = _changed("provision", _name(was.provision), _name(now.provision))
        yield Difference("script", what, name)
    if was.role != now.role:
        yield Difference("live", _changed("role", was.role, now.role), name)
    if now.access is not None:
        return  # of an existing host, nothing else is the lab's to change
    if was.cpus != now.cpus:
        yield Difference("restart", _changed("cpus", was.cpus, now.cpus), name)
    for key, before, after in (("box", was.box, now.box), ("disk", was.disk, now.disk)):
        if before != after:
            yield Difference("recreate", _changed(key, before, after), name)
    yield from _settings(was.provider_settings, now.provider_settings, provider, name)
    if was.forward != now.forward:
        # A container's ports are published when it is made.
        how: How = "recreate" if provider == "docker" else "restart"
        yield Difference(how, _changed("forward", _ports(was), _ports(now)), name)
    if was.memory != now.memory:
        yield Difference("restart", _changed("memory", was.memory, now.memory), name)


def _keys(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The keys whose values differ."""
    return sorted(key for key in {*was, *now} if was.get(key) != now.get(key))


def _settings(
    was: dict[str, Any], now: dict[str, Any], provider: str, machine: str = ""
) -> Iterator[Difference]:
    """Settings of the provider in use: most of them count only when a machine is made."""
    if keys := _keys(was.get(provider, {}), now.get(provider, {})):
        what = f"provider_settings.{provider}: {', '.join(keys)} changed"
        yield Difference("recreate", what, machine)


def _name(script: Script | None) -> str:
    """Its content is compared with what has run (`scripts`), not with a copy of the definition."""
    return script.name if script else ""


def scripts(ran: Mapping[str, str], wanted: Lab) -> Iterator[Difference]:
    """The scripts whose content has changed since they ran; `ran` has their checksums then."""
    for name, checksum in wanted.scripts.items():
        if ran.get(name) not in (None, checksum):
            yield Difference("script", f"{name} has changed")


def _ports(machine: MachineSpec) -> tuple[str, ...]:
    return tuple(map(str, machine.forward))


def _changed(key: str, was: object, now: object) -> str:
    def words(value: object) -> object:
        return (", ".join(value) if isinstance(value, tuple) else value) or "not set"

    return f"{key} {words(was)} → {words(now)}"
