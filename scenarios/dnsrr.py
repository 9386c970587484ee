"""DNS round robin: a service without a virtual address.

Source: https://docs.docker.com/reference/cli/docker/service/create/#endpoint-mode
"""

from __future__ import annotations

from scenarios.checks import containers, network
from scenarios.checks.answering import (
    ANSWERS,
    addresses,
    ask,
    expect_tasks,
    hostnames,
)
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "10.46.4.0/24"
NETWORK = "dnsnet1"
SERVICE = "dns1"

dnsrr = Scenario(
    "dnsrr",
    exercise="-",
    atlas=True,
    title="DNS round robin: a name for all tasks",
    summary="With the endpoint mode dnsrr a service has no virtual address: its name resolves to "
    "the addresses of all its tasks, and whoever asks chooses.",
    services=(SERVICE,),
    networks=(NETWORK,),
    containers=("dnsclient1",),
)


@dnsrr.step(
    1,
    "Create an overlay network",
    on="machine1",
    run=f"docker network create -d overlay --attachable --subnet {SUBNET} {NETWORK}",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    network.remember_network(step, created)


@dnsrr.step(
    2,
    "Start a service with two tasks, and no virtual address",
    on="machine1",
    run=f"docker service create --replicas 2 --endpoint-mode dnsrr --network {NETWORK} "
    f"--stop-grace-period 1s --name {SERVICE} --no-resolve-image {{image}} {ANSWERS}",
    service=SERVICE,
    needs=[1],
    why="For programs that balance themselves, and for kernels without IPVS. Such a service cannot "
    "publish ports through the routing mesh, which needs a virtual address.",
)
def start(step: Step) -> None:
    expect_tasks(step, SERVICE, 2)
    step.expect(
        "the service has no virtual address",
        expected=[],
        seen=network.virtual_addresses(step, SERVICE, step.network(NETWORK)),
    )


@dnsrr.step(
    3,
    "Run a container that asks",
    on="machine1",
    run=f"docker run -d -t --name dnsclient1 --network {NETWORK} {{image}}",
    needs=[1],
)
def client(step: Step) -> None:
    containers.expect_running(step, "dnsclient1", NETWORK)


@dnsrr.step(
    4,
    "The name resolves to the addresses of all tasks",
    on="machine1",
    book=f"docker exec dnsclient1 nslookup {SERVICE}",
    needs=[2, 3],
    probe=True,
    why="Their order changes from answer to answer. Programs that ask once and remember the answer "
    "stay with one task, even when it is gone.",
)
def all_addresses(step: Step) -> None:
    here = containers.end(step, "dnsclient1", "machine1", NETWORK)
    name = step.called(SERVICE)
    own = addresses(step, SERVICE, NETWORK)
    containers.expect_resolves(
        step, here, name, f"{name} resolves to the tasks' own addresses", own
    )


@dnsrr.step(
    5,
    "Each address leads to its task, and the name to one of them",
    on="machine1",
    book=f"docker exec dnsclient1 nc {SERVICE} 7700",
    needs=[2, 3],
    probe=True,
    why="There is nothing between the client and the task: a ping of this name is answered by the "
    "task itself.",
)
def tasks_answer(step: Step) -> None:
    here = containers.end(step, "dnsclient1", "machine1", NETWORK)
    tasks = hostnames(step, SERVICE)
    own = addresses(step, SERVICE, NETWORK)
    step.expect(
        "each of the tasks answers at an address of its own",
        expected=tasks,
        seen=sorted(one for address in own for one in ask(step, here, address)),
        source="command",
        layer="TCP",
    )
    name = step.called(SERVICE)
    answers = ask(step, here, name, times=4)
    step.expect(
        f"of four connections to {name} all are answered by one of its tasks",
        expected=4,
        seen=sum(answer in tasks for answer in answers),
        source="command",
        layer="TCP",
    )
    ping = step.ping(here.task, name, "tasks-name")
    step.expect(
        f"a ping of {name} is answered by one of the tasks",
        expected=f"one of {', '.join(own)}",
        seen=ping.address or "it did not resolve",
        passed=ping.address in own and ping.received > 0,
        source="ping",
        layer="small packet",
    )


@dnsrr.step(6, "Remove the container", on="machine1", run="docker rm -f dnsclient1", undoes=[3])
def remove_client(step: Step) -> None:
    containers.expect_gone(step, ("dnsclient1",))


@dnsrr.step(
    7,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove_service(step: Step) -> None:
    network.expect_no_containers(step, dnsrr.services)


@dnsrr.step(
    8,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[1],
    undoes=[1],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
