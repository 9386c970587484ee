"""What the engine has of a lab: containers, their volumes, and the network between them.

All of it bears the lab's name and the folder of its state as labels, so that nothing of another
lab, folder or person is ever taken for the lab's.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from provision.lab.model import Lab, MachineSpec
from provision.providers import naming
from provision.providers.base import MachineState
from provision.providers.containers import engine
from provision.support.errors import MachineError, UserError

_STATES: dict[str, MachineState] = {
    "running": "running",
    "paused": "paused",
    "restarting": "stopped",
    "created": "stopped",
    "exited": "stopped",
    "dead": "stopped",
}


def containers(name: str, state: Path) -> list[dict[str, Any]]:
    """The lab's containers, as `docker inspect` describes them."""
    found = engine.ask(
        "ps", "--all", "--quiet", "--no-trunc", *engine.filters(naming.labels(name, state))
    )
    return engine.listed("inspect", "--type", "container", *found.split()) if found.split() else []


def container_name(lab: Lab, machine: str) -> str:
    """What the container of a machine is called."""
    return naming.prefix(lab.name) + machine


def by_machine(lab: Lab) -> dict[str, dict[str, Any]]:
    """The lab's containers by the name of their machine."""
    prefix = naming.prefix(lab.name)
    return {
        container["Name"].lstrip("/").removeprefix(prefix): container
        for container in containers(lab.name, lab.state)
    }


def states(lab: Lab) -> dict[str, MachineState]:
    """The state of each machine, by name."""
    found = {name: one["State"]["Status"] for name, one in by_machine(lab).items()}
    return {
        machine.name: _STATES.get(found[machine.name], "unknown")
        if machine.name in found
        else "absent"
        for machine in lab.machines
    }


def network(lab: Lab) -> dict[str, Any] | None:
    """The lab's network as `docker network inspect` describes it; None where there is none."""
    name = naming.network(lab.name)
    found = engine.listed("network", "inspect", name)
    return next((one for one in found if one["Name"] == name), None)


def is_own(thing: dict[str, Any], lab: Lab) -> bool:
    """Whether a container or a network bears the lab's labels."""
    given = thing.get("Labels") or (thing.get("Config") or {}).get("Labels") or {}
    return all(given.get(key) == value for key, value in naming.labels(lab.name, lab.state).items())


def ssh_ports(lab: Lab) -> dict[str, tuple[str, int]]:
    """Where each machine's sshd is published on this host: address and port, by machine.

    Raises MachineError for a machine that has none: its container does not run.
    """
    found = by_machine(lab)
    ports = {}
    for machine in lab.machines:
        published = found.get(machine.name, {}).get("NetworkSettings", {}).get("Ports") or {}
        if not (bound := published.get("22/tcp")):
            raise MachineError(
                f"{machine.name}: its container does not run, or its sshd is not published.",
                f"See docker logs {container_name(lab, machine.name)}, and run inv up again.",
            )
        ports[machine.name] = (str(bound[0]["HostIp"]), int(bound[0]["HostPort"]))
    return ports


# -- before machines are made ---------------------------------------------------------------------


def conflict(lab: Lab) -> UserError | None:
    """A container or network of another lab under the lab's names, or a network it would cover."""
    names = [container_name(lab, machine.name) for machine in lab.machines]
    taken = engine.listed("inspect", "--type", "container", *names)
    taken += [one for one in engine.listed("network", "inspect", naming.network(lab.name)) if one]
    for thing in taken:
        if not is_own(thing, lab):
            return _taken(thing, lab)
    wanted = IPv4Network(lab.subnet)
    for other, subnets in _other_subnets(lab).items():
        for subnet in subnets:
            if subnet.overlaps(wanted):
                return UserError(
                    f"{lab.file.name}: network.subnet: {wanted} overlaps {subnet} of Docker's "
                    f"network {other!r}.",
                    "Take another network.subnet in lab.toml.",
                )
    return None


def _taken(thing: dict[str, Any], lab: Lab) -> UserError:
    """Somebody else has a container or a network under one of the lab's names."""
    labels = thing.get("Labels") or (thing.get("Config") or {}).get("Labels") or {}
    folder = labels.get(naming.FOLDER_LABEL)
    whose = f"of a lab {lab.name!r} in {folder}" if folder else "which is not the lab's"
    return UserError(
        f"{lab.file.name}: name: Docker has {thing['Name'].lstrip('/')} already, {whose}.",
        "Take another name in lab.toml, or remove it: inv destroy in that lab's folder.",
    )


def _other_subnets(lab: Lab) -> dict[str, list[IPv4Network]]:
    names = engine.ask("network", "ls", "--format", "{{.Name}}").split()
    found: dict[str, list[IPv4Network]] = {}
    for one in engine.listed("network", "inspect", *names):
        if one["Name"] == naming.network(lab.name):
            continue
        # The networks "none" and "host" have no configuration: null since Docker 28.
        given = [ip_network(c["Subnet"]) for c in one["IPAM"]["Config"] or [] if c.get("Subnet")]
        found[one["Name"]] = [subnet for subnet in given if isinstance(subnet, IPv4Network)]
    return found


def bridge(lab: Lab) -> str:
    """The interface of the lab's network on a Linux host; "" where there is no network yet.

    Source: Docker names a bridge after the first 12 digits of its network's id.
    """
    found = network(lab)
    if not found or not is_own(found, lab):
        return ""
    named = (found.get("Options") or {}).get("com.docker.network.bridge.name")
    return str(named or f"br-{found['Id'][:12]}")


def ensure_network(lab: Lab) -> None:
    """Make the lab's network with the lab's subnet, unless it is there.

    Raises UserError where somebody has made one of its name since the lab was planned.
    """
    found = network(lab)
    if found and not is_own(found, lab):
        raise _taken(found, lab)
    if found and [c.get("Subnet") for c in found["IPAM"]["Config"] or []] == [lab.subnet]:
        return
    if found:
        # Of an `up` with another subnet that was interrupted: nothing is connected to it.
        engine.ask("network", "rm", naming.network(lab.name))
    given = [
        word
        for key, value in naming.labels(lab.name, lab.state).items()
        for word in ("--label", f"{key}={value}")
    ]
    engine.ask("network", "create", "--subnet", lab.subnet, *given, naming.network(lab.name))


def resize(lab: Lab) -> None:
    """Give containers that exist the CPUs and the memory of lab.toml: Vagrant would not.

    Source: https://docs.docker.com/reference/cli/docker/container/update/
    """
    for machine in lab.machines:
        container = by_machine(lab).get(machine.name)
        if container and not _has_size(container, machine):
            memory = f"{machine.memory}m"
            engine.ask(
                "update",
                *("--cpus", str(machine.cpus), "--memory", memory),
                # As much swap as memory, which is what `docker run --memory` alone gives.
                *("--memory-swap", f"{2 * machine.memory}m"),
                container["Id"],
            )


def _has_size(container: dict[str, Any], machine: MachineSpec) -> bool:
    given = container["HostConfig"]
    return bool(
        given["Memory"] == machine.memory << 20 and given["NanoCpus"] == machine.cpus * 10**9
    )


def resume(lab: Lab) -> None:
    """Let containers run that somebody, or an interrupted command, has paused."""
    for name, container in by_machine(lab).items():
        if container["State"]["Status"] == "paused" and name in {m.name for m in lab.machines}:
            engine.ask("unpause", container["Id"])


# -- removal ----------------------------------------------------------------------------------


def remove_machines(lab: Lab, only: set[str] | None = None) -> list[str]:
    """Remove the lab's containers with their volumes, or those of some machines; what was removed.

    Source: `docker rm --volumes` removes the anonymous volumes of a container and no others.
    """
    gone = {n: c for n, c in by_machine(lab).items() if only is None or n in only}
    if gone:
        ids = [container["Id"] for container in gone.values()]
        engine.ask("rm", "--force", "--volumes", *ids)
    return [f"container {container['Name'].lstrip('/')}" for container in gone.values()]


def purge(lab: Lab) -> list[str]:
    """Remove all that bears the lab's labels; what was removed."""
    removed = remove_machines(lab)
    found = network(lab)
    if found and is_own(found, lab):
        try:
            engine.ask("network", "rm", found["Id"])
        except MachineError as error:
            raise MachineError(
                f"Docker's network {found['Name']} cannot be removed: {error}",
                f"See what uses it: docker network inspect {found['Name']}",
            ) from None
        removed.append(f"network {found['Name']}")
    return removed


def leftovers(lab: Lab) -> list[str]:
    """What the engine still has of the lab, in words."""
    found = network(lab)
    return [
        *(f"container {c['Name'].lstrip('/')}" for c in containers(lab.name, lab.state)),
        *([f"network {found['Name']}"] if found and is_own(found, lab) else []),
    ]


def described(lab: Lab) -> str:
    """What the engine lists of the lab, for a bug report; without the containers' environment."""
    rows = [
        {
            "name": container["Name"].lstrip("/"),
            "image": container["Config"]["Image"],
            "state": container["State"],
            "memory": container["HostConfig"]["Memory"],
            "cpus": container["HostConfig"]["NanoCpus"],
            "networks": container["NetworkSettings"]["Networks"],
            "ports": container["NetworkSettings"]["Ports"],
        }
        for container in containers(lab.name, lab.state)
    ]
    return json.dumps({"containers": rows, "network": network(lab)}, indent=2) + "\n"
