"""Published ports: by the routing mesh on every node, or on the task's own node alone.

Source: https://docs.docker.com/engine/swarm/ingress/
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from scenarios.checks import containers, network
from scenarios.checks.answering import (
    ANSWERS_WHO,
    NOBODY,
    PORT,
    ask,
    client_of,
    hostnames,
    note_tasks,
)
from scenarios.checks.path import End
from scenarios.kit.requires import IPVS, OWN_NETWORKS
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

MESH, DIRECT = 8146, 8147

publish = Scenario(
    "publish",
    exercise="-",
    atlas=True,
    title="Published ports: the routing mesh, and the host mode",
    summary="Through the routing mesh every node answers for a service, and hides who has asked. "
    "In the host mode the task's node answers alone, and the task sees its client.",
    requires=(IPVS, OWN_NETWORKS),
    services=("mesh1", "direct1"),
    containers=("pubclient1",),
)


def _service(name: str, port: str) -> str:
    return (
        f"docker service create --publish {port} --constraint node.id=={{node2}} "
        f"--stop-grace-period 1s --name {name} --no-resolve-image {{image}} {ANSWERS_WHO}"
    )


def _ask_both(port: int) -> str:
    return "\n".join(
        f"docker exec pubclient1 nc <the {which} machine's address> {port}"
        for which in ("first", "second")
    )


@publish.step(
    1,
    "Publish a port through the routing mesh",
    on="machine1",
    run=_service("mesh1", f"published={MESH},target={PORT}"),
    service="mesh1",
    why="The one task runs on the second machine. It answers with its hostname, and with the "
    "connections that its kernel has: in them is the address of who asks.",
)
def mesh(step: Step) -> None:
    network.expect_one_task(step, "mesh1", on="machine2")
    note_tasks(step, "mesh1")


@publish.step(
    2,
    "Run a client on the first machine",
    on="machine1",
    run="docker run -d -t --name pubclient1 --network host {image}",
    why="In the host network it asks as the machine itself does.",
)
def client(step: Step) -> None:
    containers.expect_running(step, "pubclient1", "host")


@publish.step(
    3,
    "Every node answers, also one without a task",
    on="machine1",
    book=_ask_both(MESH),
    needs=[1, 2],
    probe=True,
    why="Each node takes the port, and its IPVS hands the connection over the network `ingress` to "
    "a task, on whichever node. So that answers come back the same way, it puts an address of its "
    "own in place of the client's: the task does not see who has asked.",
)
def every_node_answers(step: Step) -> None:
    here = _client(step)
    task = hostnames(step, "mesh1")
    (ingress,) = network.subnets(step.network("ingress"))
    for machine in step.context.machines.values():
        answer = ask(step, here, machine.address, MESH)[0]
        step.expect(
            f"{machine.name} answers at its port {MESH}, with the task's hostname",
            expected=task,
            seen=answer.split("\n")[:1],
            source="command",
            machine=machine,
            layer="virtual address",
        )
        seen = client_of(answer)
        step.expect(
            f"asked by {machine.name}, the task sees a client of ingress, and not {here.address}",
            expected=f"an address of {ingress}",
            seen=seen or "none",
            passed=bool(seen) and IPv4Address(seen) in IPv4Network(ingress),
            source="command",
            proves="The routing mesh hides the client's address.",
            machine=machine,
        )


@publish.step(
    4,
    "Publish a port in the host mode",
    on="machine1",
    run=_service("direct1", f"published={DIRECT},target={PORT},mode=host"),
    service="direct1",
    why="The port is the task's node's own: a second task of the service could not run there.",
)
def direct(step: Step) -> None:
    network.expect_one_task(step, "direct1", on="machine2")


@publish.step(
    5,
    "Only the task's node answers, and the task sees its client",
    on="machine1",
    book=_ask_both(DIRECT),
    needs=[2, 4],
    probe=True,
    why="There is no load balancer between them. Whoever asks has to know where the task is.",
)
def one_node_answers(step: Step) -> None:
    here = _client(step)
    first, second = (step.context.machines[f"machine{n}"] for n in (1, 2))
    answer = ask(step, here, second.address, DIRECT)[0]
    step.expect(
        f"{second.name} answers with the task's hostname",
        expected=hostnames(step, "direct1"),
        seen=answer.split("\n")[:1],
        source="command",
        machine=second,
        layer="TCP",
    )
    step.expect(
        "the task sees the client's own address",
        expected=here.address,
        seen=client_of(answer) or "none",
        source="command",
        proves="In the host mode the client is known.",
        machine=second,
    )
    step.expect(
        f"{first.name}, which has no task, does not answer",
        expected=NOBODY,
        seen=ask(step, here, first.address, DIRECT)[0],
        source="command",
        machine=first,
    )


def _client(step: Step) -> End:
    machine = step.context.machines["machine1"]
    return End("pubclient1", machine.address, machine)


@publish.step(6, "Remove the client", on="machine1", run="docker rm -f pubclient1", undoes=[2])
def remove_client(step: Step) -> None:
    containers.expect_gone(step, ("pubclient1",))


@publish.step(
    7,
    "Remove both services",
    on="machine1",
    run="docker service rm mesh1 direct1",
    needs=[1, 4],
    undoes=[1, 4],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, publish.services)
