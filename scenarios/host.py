"""The host driver: a container in its machine's own network.

Source: https://docs.docker.com/engine/network/drivers/host/
"""

from __future__ import annotations

from scenarios.checks import containers, network
from scenarios.checks.path import End
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

host = Scenario(
    "host",
    exercise="-",
    atlas=True,
    title="The host network: no network of its own",
    summary="A container in the host network has its machine's interfaces and addresses. Nothing "
    "is between it and the underlay, and nothing protects the one from the other.",
    containers=("host1", "host2"),
)


def _run(number: int) -> str:
    return f"docker run -d -t --name host{number} --network host {{image}}"


@host.step(
    1,
    "Run a container in the network of the first machine",
    on="machine1",
    run=_run(1),
    why="It gets no interface, no address and no name: it looks at the machine's own.",
)
def first(step: Step) -> None:
    network.remember_network(step, step.network("host"))
    _expect_machines_own(step, "host1")


@host.step(2, "The same on the second machine", on="machine2", run=_run(2))
def second(step: Step) -> None:
    _expect_machines_own(step, "host2")


def _expect_machines_own(step: Step, name: str) -> None:
    found = containers.expect_running(step, name, "host")
    step.expect(
        f"the engine gave {name} no address",
        expected="none",
        seen=network.address_in(found, "host") or "none",
    )
    step.context.topology.tasks[-1].address = step.machine.address
    addresses = [
        one["local"]
        for link in containers.links(End(name, "", step.machine))
        for one in link["addr_info"]
    ]
    step.expect(
        f"{name} has the machine's own address on the underlay",
        expected=True,
        seen=step.machine.address in addresses,
        source="command",
    )


@host.step(
    3,
    "One reaches the other as one machine reaches the other",
    on="machine1",
    book="docker exec host1 ping <the second machine's address>",
    needs=[1, 2],
    probe=True,
    why="Nothing is put around the packets, so nothing is lost of the MTU, and the host network is "
    "as fast as the machines are. A port that such a container opens is a port of the machine: a "
    "second container cannot have it, and whoever reaches the machine reaches it.",
)
def as_machines(step: Step) -> None:
    here, there = (_end(step, number) for number in (1, 2))
    containers.expect_unwrapped(step, here, there, "host")


@host.step(
    4,
    "And the other way round",
    on="machine2",
    book="docker exec host2 ping <the first machine's address>",
    needs=[1, 2],
    probe=True,
)
def other_way(step: Step) -> None:
    here, there = (_end(step, number) for number in (2, 1))
    containers.expect_unwrapped(step, here, there, "host")


def _end(step: Step, number: int) -> End:
    machine = step.context.machines[f"machine{number}"]
    return End(f"host{number}", machine.address, machine)


@host.step(
    5,
    "Names of containers do not resolve",
    on="machine1",
    book="docker exec host1 ping host2",
    needs=[1, 2],
    probe=True,
    why="The container asks the DNS servers of its machine.",
)
def no_names(step: Step) -> None:
    containers.expect_no_name(step, _end(step, 1), "host2")


@host.step(6, "Remove the first", on="machine1", run="docker rm -f host1", undoes=[1])
def remove_first(step: Step) -> None:
    containers.expect_gone(step, ("host1",))


@host.step(7, "Remove the second", on="machine2", run="docker rm -f host2", undoes=[2])
def remove_second(step: Step) -> None:
    containers.expect_gone(step, ("host2",))
