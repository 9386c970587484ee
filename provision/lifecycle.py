"""The order of things: up, destroy, rebuild, status. Each can be said again from any state."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provision import engine, images, swarm
from provision.definition import Lab
from provision.errors import MachineError, UserError
from provision.files import write_atomic
from provision.holding import holding
from provision.machine import Machine, connected
from provision.parallel import each
from provision.progress import Progress
from provision.providers import choosing
from provision.providers.base import Provider


@dataclass(frozen=True)
class Ready:
    """What `up` has brought up; kept in the lab's state as ready.json."""

    provider: str
    image: str
    notes: list[str] = field(default_factory=list)
    engines: dict[str, str] = field(default_factory=dict)


def up(lab: Lab, progress: Progress) -> Ready:
    """From whatever is there to a ready swarm: boot, Docker, images, swarm.

    It looks first and does what is missing, so a second call changes nothing and an interrupted
    one is gone on with. Raises UserError, MachineError or MachinesError.
    """
    with holding(lab.state, "up"):
        provider, notes = choosing.choose(lab, progress)
        for note in notes:
            progress.say(note)
        # `destroy` must find its way when the file is gone or broken by then.
        write_atomic(lab.state / "lab.toml", lab.file.read_bytes())
        with progress:
            provider.up(progress)
            with connected(lab, provider.endpoints()) as machines:
                ready = _provision(lab, provider, machines, notes, progress)
        write_atomic(lab.state / "ready.json", json.dumps(asdict(ready), indent=2) + "\n")
        return ready


def _provision(
    lab: Lab,
    provider: Provider,
    machines: dict[str, Machine],
    notes: list[str],
    progress: Progress,
) -> Ready:
    def prepare(machine: Machine) -> str:
        progress.phase(machine.name, "logging in")
        machine.connect()
        return engine.ensure(machine, lab.docker_version, progress)

    engines = each("Docker", machines.values(), prepare, progress)
    choice = images.ensure(lab, machines, progress)
    swarm.converge(machines, progress)
    note = f"image {choice.reference}: {choice.why}"
    progress.say(note)
    return Ready(provider.name, choice.reference, [*notes, note], engines)


def ready(lab: Lab) -> Ready:
    """What the last `up` brought up. Raises UserError when there was none."""
    try:
        return Ready(**json.loads((lab.state / "ready.json").read_text()))
    except FileNotFoundError:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up") from None
    except (TypeError, json.JSONDecodeError) as error:
        raise MachineError(
            f"{lab.state / 'ready.json'} cannot be read: {error}", "Run inv up again."
        ) from None


@contextlib.contextmanager
def machines_of(lab: Lab) -> Iterator[dict[str, Machine]]:
    """The machines of a lab that is up. Raises UserError when it is not."""
    provider = choosing.of_state(lab)
    if not provider:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up")
    with connected(lab, provider.endpoints()) as machines:
        yield machines


def destroy(lab: Lab, progress: Progress) -> list[str]:
    """Remove all that `up` has made, from any state, and see that it is gone; what was removed.

    Raises MachineError that names what is still there.
    """
    if not lab.state.exists():
        return []
    with holding(lab.state, "destroy"):
        provider = choosing.of_state(lab)
        removed: list[str] = []
        if provider:
            with progress:
                removed = provider.destroy(progress)
                left = provider.leftovers()
            if left:
                raise MachineError(
                    f"Lab {lab.name!r} is not gone: {'; '.join(left)}.",
                    f"Run inv destroy again; the log is {lab.state / 'vagrant.log'}.",
                )
        (lab.state / "ready.json").unlink(missing_ok=True)
    _remove_state(lab.state)
    return [*removed, f"{lab.state}"]


def _remove_state(state: Path) -> None:
    shutil.rmtree(state)
    # The folder above goes with its last lab.
    with contextlib.suppress(OSError):
        state.parent.rmdir()


def rebuild(lab: Lab, progress: Progress) -> Ready:
    """The lab made anew: destroyed, and brought up again."""
    destroy(lab, progress)
    return up(lab, progress)


def status(lab: Lab) -> dict[str, Any]:
    """What is there now: machines, addresses, engines, node states, networks, services.

    Quick: no Vagrant is called. Shape: {"lab", "provider", "machines": [{"name", "role",
    "address", "state", "engine", "node"}], "networks": [...], "services": [...]}.
    """
    empty = [
        {
            "name": m.name,
            "role": m.role,
            "address": m.address,
            "state": "absent",
            "engine": "",
            "node": "",
        }
        for m in lab.machines
    ]
    said: dict[str, Any] = {
        "lab": lab.name,
        "provider": "",
        "machines": empty,
        "networks": [],
        "services": [],
    }
    provider = choosing.of_state(lab)
    if not provider:
        return said
    said["provider"] = provider.name
    states = provider.states()
    for row in empty:
        row["state"] = states.get(row["name"], "absent")
    if not (lab.state / "ready.json").exists():
        return said
    with connected(lab, provider.endpoints()) as machines:

        def look(machine: Machine) -> dict[str, Any]:
            if states.get(machine.name) in {"absent", "stopped"}:
                return {}
            try:
                machine.connect(patience=2)
                return dict(machine.docker.info())
            except MachineError as error:
                return {"error": str(error)}

        infos = each("asking", machines.values(), look)
        for row in empty:
            info = infos[row["name"]]
            row["engine"] = info.get("ServerVersion", "")
            row["node"] = info.get("error", "") or info.get("Swarm", {}).get("LocalNodeState", "")
            if info.get("ServerVersion") and row["state"] == "unknown":
                row["state"] = "running"
        for machine in machines.values():
            if infos[machine.name].get("Swarm", {}).get("ControlAvailable"):
                _swarm_status(machine, infos, empty, said)
                break
    return said


def _swarm_status(
    manager: Machine,
    infos: dict[str, dict[str, Any]],
    rows: list[dict[str, Any]],
    said: dict[str, Any],
) -> None:
    nodes = {node.id: node.attrs for node in manager.docker.nodes.list()}
    for row in rows:
        node = nodes.get(infos[row["name"]].get("Swarm", {}).get("NodeID", ""))
        if node:
            leader = (node.get("ManagerStatus") or {}).get("Leader")
            row["node"] = node["Status"]["State"] + (" (leader)" if leader else "")
    said["networks"] = [
        {"name": n.name, "driver": n.attrs["Driver"], "scope": n.attrs["Scope"]}
        for n in manager.docker.networks.list()
        if n.attrs["Scope"] == "swarm"
    ]
    said["services"] = [service.name for service in manager.docker.services.list()]
