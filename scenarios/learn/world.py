"""What the lab's engines have now: one look at all of them, as plain data.

Mistakes are recognized in it, and tests keep such looks as files.
"""

from __future__ import annotations

from typing import Any

import docker.errors
import requests
from pydantic import BaseModel, ConfigDict

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from scenarios.learn.silence import is_silent

# Said by a worker's engine to what only a manager can do.
_REFUSED = "not a swarm manager"
_LATELY = 600  # seconds


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Container(_Data):
    name: str
    image: str
    state: str
    id: str = ""
    service: str = ""  # the swarm service that it is a task of
    addresses: dict[str, str] = {}  # by the ids of its networks


class Network(_Data):
    id: str
    name: str
    driver: str
    scope: str
    subnets: list[str] = []
    gateways: list[str] = []
    ingress: bool = False
    attachable: bool = False
    options: dict[str, str] = {}


class Engine(_Data):
    """One machine's engine. `node` and `cluster` are ids, "" outside a swarm."""

    machine: str
    hostname: str
    swarm: str
    version: str = ""
    node: str = ""
    cluster: str = ""
    manager: bool = False
    networks: list[Network] = []
    containers: list[Container] = []
    images: list[str] = []
    plugins: dict[str, bool] = {}  # whether each is enabled
    refused: list[str] = []  # what the engine has refused lately, for it is a worker


class Node(_Data):
    id: str
    hostname: str
    role: str
    availability: str
    state: str


class Task(_Data):
    node: str
    state: str
    wanted: str
    error: str = ""


class Service(_Data):
    id: str
    name: str
    image: str
    networks: list[str] = []  # ids or names, as they were given
    constraints: list[str] = []
    replicas: int | None = None  # None for one that runs on every node
    endpoint: str = "vip"
    terminal: bool = False
    command: list[str] = []
    tasks: list[Task] = []

    def running(self) -> list[Task]:
        return [task for task in self.tasks if task.state == task.wanted == "running"]


class World(_Data):
    """The engines by their place ("machine1", …), and what the swarm's manager has."""

    engines: dict[str, Engine]
    nodes: list[Node] = []
    services: list[Service] = []

    @property
    def manager(self) -> Engine:
        """The first machine that is a manager now; the first one where none is."""
        managers = [engine for engine in self.engines.values() if engine.manager]
        return managers[0] if managers else self.engines["machine1"]

    def network(self, name: str, place: str = "") -> Network | None:
        """The network as the manager has it, or the machine at a place."""
        engine = self.engines[place] if place else self.manager
        return next((one for one in engine.networks if one.name == name), None)

    def service(self, name: str) -> Service | None:
        return next((one for one in self.services if one.name == name), None)

    def machine_of(self, node: str) -> str:
        """The name of the machine that is the node, or the node's id."""
        return next((e.machine for e in self.engines.values() if e.node == node), node)


def see(machines: dict[str, Machine], infos: dict[str, dict[str, Any]], since: float = 0) -> World:
    """Look at every engine at once; `machines` by place, the first one is a manager.
    `infos` is what `docker info` says of each, by its name.

    What workers have refused in the last `since` seconds is read from their logs. Raises
    MachinesError where an engine does not answer, MachineError where the swarm does not.
    """
    places = {machine.name: place for place, machine in machines.items()}
    seen = run_on_all(
        "asking the engine",
        list(machines.values()),
        lambda machine: _engine(machine, infos[machine.name], min(since, _LATELY)),
    )
    world = World(engines={places[name]: engine for name, engine in seen.items()})
    refused = ""
    while world.manager.manager:
        manager = next(one for one in machines.values() if one.name == world.manager.machine)
        try:
            _see_swarm(manager, world)
        except (docker.errors.APIError, requests.RequestException) as error:
            # One that is cut off from the others has no word in the swarm; they may have.
            world.manager.manager = False
            refused = refused or f"{manager.name}: the swarm does not answer: {error}"
        else:
            return world
    if refused:
        raise MachineError(refused, "Its managers may be electing a leader: try again in a moment.")
    return world


def _see_swarm(manager: Machine, world: World) -> None:
    """What the swarm's manager has goes into the world."""
    api: Any = manager.docker.api
    world.nodes = [_node(one) for one in api.nodes()]
    tasks: dict[str, list[Task]] = {}
    for task in sorted(api.tasks(), key=lambda task: str(task["CreatedAt"])):
        tasks.setdefault(str(task.get("ServiceID", "")), []).append(_task(task))
    world.services = [_service(one, tasks.get(one["ID"], [])) for one in api.services()]


def _engine(machine: Machine, info: dict[str, Any], since: float) -> Engine:
    swarm = info.get("Swarm") or {}
    if is_silent(machine):
        node = str(swarm.get("NodeID") or "")
        return Engine(machine=machine.name, hostname=str(info.get("Name")), swarm="", node=node)
    api: Any = machine.docker.api
    return Engine(
        machine=machine.name,
        hostname=str(info.get("Name", "")),
        swarm=str(swarm.get("LocalNodeState", "")),
        version=str(info.get("ServerVersion", "")),
        node=str(swarm.get("NodeID") or ""),
        cluster=str((swarm.get("Cluster") or {}).get("ID") or ""),
        manager=bool(swarm.get("ControlAvailable")),
        networks=[_network(one) for one in api.networks()],
        containers=[_container(one) for one in api.containers(all=True)],
        images=sorted(tag for one in api.images() for tag in one.get("RepoTags") or []),
        plugins={one["Name"]: bool(one["Enabled"]) for one in _plugins(api)},
        refused=_refused(machine, since) if since and not swarm.get("ControlAvailable") else [],
    )


def _plugins(api: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.plugins()
    return found


def _refused(machine: Machine, since: float) -> list[str]:
    said = machine.run(
        f"journalctl -u docker --since -{since:.0f}s -o cat --no-pager | grep -F '{_REFUSED}'"
        " | tail -n 5",
        timeout=20,
        sudo=True,
    )
    return [line.strip() for line in said.stdout.splitlines() if line.strip()]


def _network(one: dict[str, Any]) -> Network:
    configs = (one.get("IPAM") or {}).get("Config") or []
    return Network(
        id=str(one["Id"]),
        name=str(one["Name"]),
        driver=str(one["Driver"]),
        scope=str(one["Scope"]),
        subnets=[config["Subnet"] for config in configs if config.get("Subnet")],
        gateways=[config["Gateway"] for config in configs if config.get("Gateway")],
        ingress=bool(one.get("Ingress")),
        attachable=bool(one.get("Attachable")),
        options=one.get("Options") or {},
    )


def _container(one: dict[str, Any]) -> Container:
    networks = ((one.get("NetworkSettings") or {}).get("Networks") or {}).values()
    return Container(
        name=(one.get("Names") or ["/"])[0].lstrip("/"),
        image=str(one.get("Image", "")),
        state=str(one.get("State", "")),
        id=str(one.get("Id", "")),
        service=str((one.get("Labels") or {}).get("com.docker.swarm.service.name", "")),
        addresses={str(net.get("NetworkID")): net.get("IPAddress") or "" for net in networks},
    )


def _node(one: dict[str, Any]) -> Node:
    return Node(
        id=str(one["ID"]),
        hostname=str((one.get("Description") or {}).get("Hostname", "")),
        role=str(one["Spec"]["Role"]),
        availability=str(one["Spec"]["Availability"]),
        state=str(one["Status"]["State"]),
    )


def _task(one: dict[str, Any]) -> Task:
    return Task(
        node=str(one.get("NodeID", "")),
        state=str(one["Status"]["State"]),
        wanted=str(one.get("DesiredState", "")),
        error=str(one["Status"].get("Err", "")),
    )


def _service(one: dict[str, Any], tasks: list[Task]) -> Service:
    spec = one["Spec"]
    template = spec["TaskTemplate"]
    container = template.get("ContainerSpec") or {}
    attached = template.get("Networks") or spec.get("Networks") or []
    replicated = (spec.get("Mode") or {}).get("Replicated")
    return Service(
        id=str(one["ID"]),
        name=str(spec["Name"]),
        image=str(container.get("Image", "")),
        networks=[str(network["Target"]) for network in attached],
        constraints=list((template.get("Placement") or {}).get("Constraints") or []),
        replicas=int(replicated.get("Replicas", 1)) if replicated is not None else None,
        endpoint=str((spec.get("EndpointSpec") or {}).get("Mode", "vip")),
        terminal=bool(container.get("TTY")),
        command=[*(container.get("Command") or []), *(container.get("Args") or [])],
        tasks=tasks,
    )
