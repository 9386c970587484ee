"""A service's name and its virtual address: what a ping of it shows, and what TCP shows.

Source: https://docs.docker.com/engine/network/drivers/overlay/ and moby issues 24201, 33770.
"""

from __future__ import annotations

from scenarios.checks import containers, network
from scenarios.checks.answering import (
    ANSWERS,
    addresses,
    expect_answers,
    expect_tasks,
    hostnames,
)
from scenarios.kit.requires import IPVS
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "10.46.3.0/24"
NETWORK = "vipnet1"
SERVICE = "vip1"

vip = Scenario(
    "vip",
    exercise="-",
    atlas=True,
    title="A service's name, and its virtual address",
    summary="A service's name stands for one virtual address, behind which the kernel balances TCP "
    "over all tasks. A ping of it is answered on the asking machine and proves nothing.",
    requires=(IPVS,),
    services=(SERVICE,),
    networks=(NETWORK,),
    containers=("vipclient1",),
)


@vip.step(
    1,
    "Create an overlay network",
    on="machine1",
    run=f"docker network create -d overlay --attachable --subnet {SUBNET} {NETWORK}",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    network.remember_network(step, created)


@vip.step(
    2,
    "Start a service with two tasks",
    on="machine1",
    run=f"docker service create --replicas 2 --network {NETWORK} --stop-grace-period 1s "
    f"--name {SERVICE} --no-resolve-image {{image}} {ANSWERS}",
    service=SERVICE,
    needs=[1],
    why="Whoever connects to a task is answered with the task's hostname. The scheduler puts the "
    "two on two nodes.",
)
def start(step: Step) -> None:
    expect_tasks(step, SERVICE, 2)


@vip.step(
    3,
    "Run a container that asks",
    on="machine1",
    run=f"docker run -d -t --name vipclient1 --network {NETWORK} {{image}}",
    needs=[1],
)
def client(step: Step) -> None:
    containers.expect_running(step, "vipclient1", NETWORK)


@vip.step(
    4,
    "The service's name is one address, that of no task",
    on="machine1",
    book=f"docker exec vipclient1 nslookup {SERVICE}",
    needs=[2, 3],
    probe=True,
    why=f"The tasks' own addresses have a name as well: tasks.{SERVICE}.",
)
def one_name(step: Step) -> None:
    here = containers.end(step, "vipclient1", "machine1", NETWORK)
    virtual = network.virtual_addresses(step, SERVICE, step.network(NETWORK))
    own = addresses(step, SERVICE, NETWORK)
    name = step.called(SERVICE)
    containers.expect_resolves(
        step, here, name, f"{name} resolves to the service's virtual address", virtual
    )
    containers.expect_resolves(
        step, here, f"tasks.{name}", f"tasks.{name} resolves to the tasks' own addresses", own
    )
    step.expect(
        "no task has the virtual address",
        expected=[],
        seen=sorted(set(virtual) & set(own)),
        passed=bool(virtual) and bool(own) and not set(virtual) & set(own),
    )


@vip.step(
    5,
    "A ping of the name is answered, and never leaves the machine",
    on="machine1",
    book=f"docker exec vipclient1 ping {SERVICE}",
    needs=[2, 3],
    probe=True,
    why="The virtual address belongs to a network namespace of the asking machine, whose kernel "
    "answers: the load balancer (IPVS) takes TCP and UDP to tasks, and no ICMP. The ping would be "
    "answered as well if every task were unreachable.",
)
def ping_proves_nothing(step: Step) -> None:
    here = containers.end(step, "vipclient1", "machine1", NETWORK)
    vxlan = network.swarm_vxlan(step)
    with step.capturing(vxlan, network.vni_of(step.network(NETWORK))) as captures:
        network.expect_name_answers(step, here.task, SERVICE)
    for capture in captures:
        pings = sum(f.packets for f in capture.counted() if "ICMP echo" in f.inner)
        machine = step.context.named(capture.machine)
        step.expect(
            f"no ping is seen in VXLAN on {capture.interface}",
            expected=0,
            seen=pings,
            source="capture",
            proves="The answers came from the asking machine itself.",
            machine=machine,
        )


@vip.step(
    6,
    "TCP to the name reaches both tasks",
    on="machine1",
    book=f"docker exec vipclient1 nc {SERVICE} 7700",
    needs=[2, 3],
    probe=True,
    why="One connection after the other goes to another task. Who has answered is told by the "
    "answer: this proves what the ping does not.",
)
def tcp_reaches_tasks(step: Step) -> None:
    here = containers.end(step, "vipclient1", "machine1", NETWORK)
    expect_answers(step, here, step.called(SERVICE), hostnames(step, SERVICE), times=6)


@vip.step(7, "Remove the container", on="machine1", run="docker rm -f vipclient1", undoes=[3])
def remove_client(step: Step) -> None:
    containers.expect_gone(step, ("vipclient1",))


@vip.step(
    8,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove_service(step: Step) -> None:
    network.expect_no_containers(step, vip.services)


@vip.step(
    9,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[1],
    undoes=[1],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
