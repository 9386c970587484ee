"""Exercise 6.04: an overlay network between two hosts, all 17 steps.

Each step has the exercise's number, the command as the book prints it, the command that is run
here, and what must be seen. Where the two commands differ, `why` says for what.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from scenarios.checks import network
from scenarios.checks.network import remember_network, subnets
from scenarios.evidence.encapsulation import VXLAN
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "172.45.0.0/16"
NETWORK = "overlaynet1"
BOTH = ("machine1", "machine2")

overlay = Scenario(
    "overlay",
    exercise="6.04",
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
    why="`inv up` has started the swarm through the Engine API; here it is asked for.",
)
def swarm_is_there(step: Step) -> None:
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
    "The swarm's own networks are there",
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
            network = step.network(name, machine)
            step.expect(
                f"{name} is there: driver {driver}, scope {scope}",
                expected=[driver, scope],
                seen=[network.get("Driver"), network.get("Scope")],
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
    network = step.network(NETWORK)
    step.expect("the command prints the network's id", expected=network.get("Id"), seen=step.output)
    step.expect(
        "the network has the subnet that was asked for",
        expected=[SUBNET],
        seen=subnets(network),
    )
    step.keep(f"network {NETWORK}", network)
    remember_network(step, network)


@overlay.step(6, "It is a swarm network", on="machine1", run="docker network ls", needs=[5])
def network_is_listed(step: Step) -> None:
    network = step.network(NETWORK)
    step.expect("driver", expected="overlay", seen=network.get("Driver"))
    step.expect("scope", expected="swarm", seen=network.get("Scope"))


@overlay.step(
    7,
    "Start the first service",
    on="machine1",
    book=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay1 "
    "alpine:latest",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --name alpine-overlay1 "
    "--constraint node.hostname=={host1} --no-resolve-image {image}",
    service="alpine-overlay1",
    needs=[5],
    why="The constraint puts the task on the first host: the book leaves that to chance. "
    "--no-resolve-image takes the image that every node has, without asking a registry.",
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
    "--constraint node.hostname=={host2} --no-resolve-image {image}",
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
    "The network has come to the second host",
    on="machine2",
    run="docker network ls",
    needs=[5],
    why="A swarm network appears on a worker when the first task there needs it.",
)
def network_on_second_host(step: Step) -> None:
    here, there = step.network(NETWORK), step.network(NETWORK, step.context.manager)
    step.expect(
        "the network has the same id as on the first host",
        expected=there.get("Id"),
        seen=here.get("Id"),
    )
    step.keep(f"network {NETWORK}", here)


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
        both = [IPv4Address(step.names[key]) for key in ("address1", "address2")]
        step.expect(
            "the two tasks have two addresses of one subnet",
            expected=2,
            seen=len({address for address in both if address in IPv4Network(SUBNET)}),
        )


@overlay.step(
    14,
    "From the second host's task, ping the first service",
    on="machine2",
    book="docker exec -it <alpine-overlay2 task> /bin/sh, then: ping alpine-overlay1",
    needs=[9, 12],
    why="The name resolves to a virtual address that is answered on the asking host itself: it "
    "proves name resolution. Beside it the task's own address is pinged, and the underlay watched.",
)
def ping_first_from_second(step: Step) -> None:
    network.expect_name_answers(step, "task2", "alpine-overlay1")
    network.expect_crossing(step, ("task2", "address2"), ("task1", "address1"), VXLAN)


@overlay.step(
    15,
    "The same in the other direction",
    on="machine1",
    book="docker exec -it <alpine-overlay1 task> /bin/sh, then: ping alpine-overlay2",
    needs=[9, 12],
    why="A path that works one way only is a fault that is easily missed.",
)
def ping_second_from_first(step: Step) -> None:
    network.expect_name_answers(step, "task1", "alpine-overlay2")
    network.expect_crossing(step, ("task1", "address1"), ("task2", "address2"), VXLAN)


@overlay.step(
    16,
    "Remove both services",
    on="machine1",
    book="docker service rm alpine-overlay1, docker service rm alpine-overlay2, docker ps",
    run="docker service rm alpine-overlay1 alpine-overlay2",
    needs=[5],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, overlay.services)


@overlay.step(
    17,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[5],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
