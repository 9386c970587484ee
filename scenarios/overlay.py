"""Exercise 6.04: an overlay network between two hosts, all 17 steps.

Each step has the exercise's number, the command as the book prints it, the command that is run,
and what must be seen. Where the two commands differ, `why` gives the reason.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from scenarios.checks import network, path
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "172.45.0.0/16"
NETWORK = "overlaynet1"
BOTH = ("machine1", "machine2")

overlay = Scenario(
    "overlay",
    exercise="6.04",
    atlas=True,
    title="Overlay networks between two hosts",
    summary="Two services on two hosts share one overlay network, and reach each other through it.",
    services=("alpine-overlay1", "alpine-overlay2"),
    networks=(NETWORK,),
)


@overlay.step(
    1,
    "The first host is a swarm manager",
    on="machine1",
    book="docker swarm init",
    run="docker info --format 'swarm: {{.Swarm.LocalNodeState}}, "
    "manager: {{.Swarm.ControlAvailable}}'",
    why="`inv up` has created the swarm through the Engine API; this step looks at it.",
)
def swarm_exists(step: Step) -> None:
    swarm = step.machine.docker.info()["Swarm"]
    step.expect("the node is in a swarm", expected="active", seen=swarm["LocalNodeState"])
    step.expect("the node is a manager", expected=True, seen=swarm["ControlAvailable"])


@overlay.step(
    2,
    "The second host has joined",
    on="machine2",
    book="docker swarm join",
    run="docker info --format 'swarm: {{.Swarm.LocalNodeState}}, "
    "manager: {{.Swarm.ControlAvailable}}'",
    why="It joined through the Engine API, so that no join token stands on a command line.",
)
def worker_has_joined(step: Step) -> None:
    swarm = step.machine.docker.info()["Swarm"]
    manager = step.context.manager
    members = {node.id for node in manager.docker.nodes.list()}
    step.expect("the node is in a swarm", expected="active", seen=swarm["LocalNodeState"])
    step.expect(
        f"{manager.name} lists this node as a member",
        expected=True,
        seen=swarm["NodeID"] in members,
    )


@overlay.step(3, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    nodes = [node.attrs for node in step.machine.docker.nodes.list()]
    ids = {machine.docker.info()["Swarm"]["NodeID"] for machine in step.context.machines.values()}
    step.expect(
        "both nodes are Ready",
        expected=["ready", "ready"],
        seen=[node["Status"]["State"] for node in nodes if node["ID"] in ids],
    )
    step.expect(
        "one manager leads",
        expected=1,
        seen=sum(bool((node.get("ManagerStatus") or {}).get("Leader")) for node in nodes),
    )


@overlay.step(
    4,
    "The swarm's own networks exist",
    on=BOTH,
    run="docker network ls",
    why="`ingress` carries published ports; `docker_gwbridge` connects tasks with their host.",
)
def swarm_networks(step: Step) -> None:
    for machine in step.machines:
        for name, driver, scope in (
            ("docker_gwbridge", "bridge", "local"),
            ("ingress", "overlay", "swarm"),
        ):
            found = step.network(name, machine)
            step.expect(
                f"{name} exists: driver {driver}, scope {scope}",
                expected=[driver, scope],
                seen=[found.get("Driver"), found.get("Scope")],
                machine=machine,
            )


@overlay.step(
    5,
    "Create the overlay network",
    on="machine1",
    book=f"docker network create -d overlay --subnet {SUBNET} … {NETWORK}",
    run=f"docker network create -d overlay --subnet {SUBNET} {NETWORK}",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    step.keep(f"network {NETWORK}", created)
    network.remember_network(step, created)


@overlay.step(6, "It is a swarm network", on="machine1", run="docker network ls", needs=[5])
def network_is_listed(step: Step) -> None:
    network.expect_listed(step, step.network(NETWORK), "overlay")


@overlay.step(
    7,
    "Start the first service",
    on="machine1",
    book=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay1 "
    "alpine:latest",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay1 "
    "--constraint node.id=={node1} --stop-grace-period 1s --update-monitor 1s "
    "--no-resolve-image {image}",
    service="alpine-overlay1",
    needs=[5],
    why="The constraint puts the task on the first host: in the book the swarm chooses. A node's "
    "id is unique, a hostname need not be. --no-resolve-image takes the image that every node has, "
    "without asking a registry. Two waits are shortened: a shell ignores the request to end, which "
    "takes 10 s by default, and the command watches a started task for 5 s.",
)
def first_service(step: Step) -> None:
    network.expect_one_task(step, "alpine-overlay1", on="machine1")


@overlay.step(
    8,
    "Start the second service",
    on="machine1",
    book=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay2 "
    "alpine:latest",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay2 "
    "--constraint node.id=={node2} --stop-grace-period 1s --update-monitor 1s "
    "--no-resolve-image {image}",
    service="alpine-overlay2",
    needs=[5],
    why="This one goes to the second host, so that the two can meet only through the network.",
)
def second_service(step: Step) -> None:
    network.expect_one_task(step, "alpine-overlay2", on="machine2")


@overlay.step(9, "One task runs here", on="machine1", run="docker ps", needs=[7])
def task_on_first_host(step: Step) -> None:
    network.remember_task(step, "alpine-overlay1", as_name="task1", network=NETWORK)


@overlay.step(
    10, "Its address is inside the subnet", on="machine1", run="docker inspect {task1}", needs=[9]
)
def first_address(step: Step) -> None:
    network.expect_address(step, "alpine-overlay1", network=NETWORK, subnet=SUBNET)


@overlay.step(
    11,
    "The network exists on the second host",
    on="machine2",
    run="docker network ls",
    needs=[5],
    why="A swarm network appears on a worker when the first task there needs it.",
)
def network_on_second_host(step: Step) -> None:
    network.expect_same_network(step, NETWORK)


@overlay.step(12, "The other task runs here", on="machine2", run="docker ps", needs=[8])
def task_on_second_host(step: Step) -> None:
    network.remember_task(step, "alpine-overlay2", as_name="task2", network=NETWORK)


@overlay.step(
    13,
    "Its address is in the same network",
    on="machine2",
    run="docker inspect {task2}",
    needs=[12],
)
def second_address(step: Step) -> None:
    network.expect_address(step, "alpine-overlay2", network=NETWORK, subnet=SUBNET)
    if "address1" in step.names:
        both = {path.end(step, number).address for number in "12"}
        step.expect(
            "the two tasks have two addresses of one subnet",
            expected=2,
            seen=sum(IPv4Address(address) in IPv4Network(SUBNET) for address in both),
        )


@overlay.step(
    14,
    "From the second host's task, ping the first service",
    on="machine2",
    book="docker exec -it <alpine-overlay2 task> /bin/sh, then: ping alpine-overlay1",
    needs=[9, 12],
    probe=True,
    why="The name resolves to a virtual address that is answered on the asking host itself: this "
    "proves name resolution only. So the task's own address is pinged as well while the underlay "
    "is captured, with small and with full-size packets, and data is sent by TCP.",
)
def ping_first_from_second(step: Step) -> None:
    _expect_way(step, "2>1", "alpine-overlay1")


@overlay.step(
    15,
    "The same in the other direction",
    on="machine1",
    book="docker exec -it <alpine-overlay1 task> /bin/sh, then: ping alpine-overlay2",
    needs=[9, 12],
    probe=True,
    why="A path that works one way only is a fault that is easily missed.",
)
def ping_second_from_first(step: Step) -> None:
    _expect_way(step, "1>2", "alpine-overlay2")


def _expect_way(step: Step, way: str, service: str) -> None:
    """From one task to the other, whose service this is: by name and by address, in any size."""
    here, _ = way.split(">")
    network.expect_name_answers(step, path.end(step, here).task, service)
    network.expect_path(step, way, NETWORK, network.swarm_vxlan(step), service)


@overlay.step(
    16,
    "Remove both services",
    on="machine1",
    book="docker service rm alpine-overlay1, docker service rm alpine-overlay2, docker ps",
    run="docker service rm alpine-overlay1 alpine-overlay2",
    needs=[5],
    undoes=[7, 8],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, overlay.services)


@overlay.step(
    17,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[5],
    undoes=[5],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
