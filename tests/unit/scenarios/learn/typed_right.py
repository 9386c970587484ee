"""A lab on which the steps of an exercise are done as they are written down, as plain data."""

from __future__ import annotations

from scenarios.kit.scenario import Scenario
from scenarios.learn import aims
from scenarios.learn.aims import Aim
from scenarios.learn.world import Container, Engine, Network, Node, Service, Task, World

NAMES = {
    "image": "alpine:latest",
    "node1": "n1",
    "node2": "n2",
    "node3": "n3",
    "plugin": "weave:2",
    "replicas": "6",
    "more": "9",
    "task1": "t1",
    "task2": "t2",
    "underlay": "10.77.0.0/24",
    "parent1": "eth0",
    "parent2": "eth0",
    "free1": "10.77.0.250",
    "free2": "10.77.0.249",
}
PLACES = ("machine1", "machine2", "machine3")


def aims_of(scenario: Scenario) -> dict[str, Aim]:
    found = {plan.number: aims.aim_of(plan, NAMES) for plan in scenario.steps}
    return {number: aim for number, aim in found.items() if aim}


def empty() -> World:
    """Three machines, the first one a manager, with what every engine has."""
    engines = {
        place: Engine(
            machine=place,
            hostname=place,
            swarm="active",
            node=place.replace("machine", "n"),
            manager=place == "machine1",
            networks=[
                network(aims.Network(kind, kind, place=place))
                for kind in ("bridge", "host", "none")
            ],
        )
        for place in PLACES
    }
    nodes = [
        Node(
            id=engine.node,
            hostname=place,
            role="manager" if engine.manager else "worker",
            availability="active",
            state="ready",
        )
        for place, engine in engines.items()
    ]
    return World(engines=engines, nodes=nodes)


def network(aim: aims.Network, **more: object) -> Network:
    local = aim.local or aim.name == aim.driver
    right = {
        "id": f"{aim.name}@{aim.place}" if local else aim.name,
        "name": aim.name,
        "driver": aim.driver,
        "scope": "local" if local else "swarm",
        "subnets": [aim.subnet] if aim.subnet else [],
        "gateways": [aim.gateway] if aim.gateway else [],
        "attachable": aim.attachable,
    }
    return Network.model_validate({**right, **more})


def service(aim: aims.Service, **more: object) -> Service:
    nodes = [aim.node] if aim.node else ["n1", "n2", "n3"]
    right = {
        "id": f"id-{aim.name}",
        "name": aim.name,
        "image": f"{aim.image}@sha256:0",
        "networks": list(aim.networks),
        "constraints": [f"node.id=={aim.node}"] if aim.node else [],
        "replicas": aim.replicas,
        "endpoint": aim.endpoint,
        "terminal": True,
        "tasks": [
            Task(node=nodes[at % len(nodes)], state="running", wanted="running")
            for at in range(aim.replicas)
        ],
    }
    return Service.model_validate({**right, **more})


def container(aim: aims.Container, world: World, **more: object) -> Container:
    there = world.network(aim.network, aim.place) or world.network(aim.network)
    assert there is not None
    right = {
        "id": f"id-{aim.name}",
        "name": aim.name,
        "image": aim.image,
        "state": "running",
        "addresses": {there.id: ""},
    }
    return Container.model_validate({**right, **more})


def done(aim: Aim, world: World) -> None:
    """What the step of this aim changes on the lab."""
    match aim:
        case aims.Network():
            world.engines[aim.place if aim.local else "machine1"].networks.append(network(aim))
        case aims.Service():
            world.services.append(service(aim))
        case aims.Container():
            world.engines[aim.place].containers.append(container(aim, world))
        case aims.Removal():
            world.services = [one for one in world.services if one.name not in aim.services]
            for place in aim.places:
                engine = world.engines[place]
                engine.networks = [n for n in engine.networks if n.name not in aim.networks]
                engine.containers = [c for c in engine.containers if c.name not in aim.containers]
        case aims.Scale():
            (one,) = [one for one in world.services if one.name == aim.service]
            as_many = service(aims.Service(one.name, (), aim.replicas, one.image))
            one.replicas, one.tasks = as_many.replicas, as_many.tasks
        case aims.Plugin():
            for engine in world.engines.values():  # it is installed on all of them at once
                engine.plugins = {aim.reference: True} if aim.there else {}
        case aims.Availability():
            (node,) = [node for node in world.nodes if node.id == aim.node]
            node.availability = aim.availability
        case aims.Roles():
            for node in world.nodes:
                if node.id in aim.nodes:
                    node.role = aim.role
