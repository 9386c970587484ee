"""Two hosts that do not hear each other for a while, on a network of any driver.

The steps are written once. So the failure is the same over each driver, and `inv compare` lays the
runs one above the other: how soon do packets pass again when the hosts hear each other?
The containers are plain ones: tasks of a service would be replaced when their node is Down.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.faults import library
from scenarios.checks import containers, failures, network, plugin
from scenarios.checks.path import End
from scenarios.kit.driver import Driver
from scenarios.kit.requires import MAJORITY_LEFT
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET, GATEWAY = "10.46.7.0/24", "10.46.7.1"
BOTH = ("machine1", "machine2")
# What the time line calls the pings, over each driver: the containers have names of their own.
PINGS = (("task1", "address2"), ("task2", "address1"))


@dataclass(frozen=True)
class Cut:
    """The scenario that is written, its network and containers; no driver is the overlay's."""

    scenario: Scenario
    network: str
    containers: tuple[str, str]
    driver: Driver | None

    @property
    def option(self) -> str:
        """The driver, as `docker network create --driver` is given it."""
        return "{plugin}" if self.driver else "overlay"

    def book(self, command: str) -> str:
        """What is typed for the plugin, with the book's name of it; "" where it is in no book."""
        return command.format(self.driver.book) if self.driver and self.driver.book else ""

    def ends(self, step: Step) -> tuple[End, End]:
        """Both containers with their addresses."""
        one, other = (
            containers.end(step, name, place, self.network)
            for name, place in zip(self.containers, BOTH, strict=True)
        )
        return one, other


def cut_scenario(
    name: str,
    title: str,
    summary: str,
    network: str,
    containers: tuple[str, str],
    driver: Driver | None = None,
) -> Scenario:
    """The exercise over a driver's network; `network` and `containers` are what it creates."""
    scenario = Scenario(
        name,
        exercise="-",
        title=title,
        summary=summary,
        networks=(network,),
        containers=containers,
        driver=driver,
        requires=(MAJORITY_LEFT,),
        restore=failures.whole_again,
    )
    it = Cut(scenario, network, containers, driver)
    _begin(it)  # step 1
    _containers(it)  # steps 2 to 5
    _fail(it)  # steps 6 to 8
    _remove(it)  # steps 9 to 11
    return scenario


def _begin(it: Cut) -> None:
    @it.scenario.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
    def nodes_are_ready(step: Step) -> None:
        failures.expect_all_ready(step)

    if not it.driver:
        return

    @it.scenario.step(
        "1b",
        "Install the plugin on every host",
        on=BOTH,
        book=it.book("docker plugin install {}"),
        do=plugin.install,
        needs=[1],
        why="It is installed on all nodes at once. Its mesh comes about before anything breaks.",
    )
    def install(step: Step) -> None:
        plugin.expect_enabled(step, step.plugin.machines)
        plugin.expect_mesh(step)
        plugin.expect_known(step)


def _containers(it: Cut) -> None:
    @it.scenario.step(
        2,
        "Create a network that containers may join",
        on="machine1",
        run=f"docker network create --driver {it.option} --attachable --subnet {SUBNET} "
        f"--gateway {GATEWAY} {it.network}",
        needs=["1b" if it.driver else 1],
    )
    def create_network(step: Step) -> None:
        created = step.network(it.network)
        wanted = step.plugin.reference if it.driver else "overlay"
        network.expect_created(step, created, wanted, SUBNET, GATEWAY)
        network.remember_network(step, created, (it.driver and it.driver.vni) or network.vni_of)

    def start(number: int, name: str, place: str, title: str) -> None:
        @it.scenario.step(
            number,
            title,
            on=place,
            run=f"docker run -d -t --name {name} --network {it.network} {{image}}",
            needs=[2],
        )
        def judge(step: Step) -> None:
            containers.expect_running(step, name, it.network)

    start(3, it.containers[0], "machine1", "Run a container on the first host")
    start(4, it.containers[1], "machine2", "Run a container on the second host")

    @it.scenario.step(
        5,
        "They reach each other",
        on="machine1",
        book=f"docker exec {it.containers[0]} ping <{it.containers[1]}'s address>",
        needs=[3, 4],
        probe=True,
    )
    def reach_each_other(step: Step) -> None:
        one, other = it.ends(step)
        step.remember(task1=one.task, address1=one.address)
        step.remember(task2=other.task, address2=other.address)
        containers.expect_answer(step, one, other)
        containers.expect_answer(step, other, one)


def _fail(it: Cut) -> None:
    first, second = it.containers

    @it.scenario.step(
        6,
        "The second host is cut off",
        on="machine1",
        breaks=library.partition("machine2"),
        lasts=900,
        pings=PINGS,
        book=f"docker exec {first} ping <{second}'s address>\ndocker node ls",
        needs=[5],
        probe=True,
        why="No packet passes between the hosts, as when a cable is pulled. The network's driver "
        "and the swarm find that out each for itself.",
    )
    def cut_off(step: Step) -> None:
        one, other = it.ends(step)
        containers.expect_no_answer(
            step, one, other.address, second, "Nothing crosses that the underlay does not carry."
        )
        failures.expect_in_time(step, 6, "ping", "task1 to address2", "lost")
        failures.expect_state(step, "machine2", "down", proves=failures.DOWN_PROVES)
        failures.expect_in_time(step, 6, "node", "machine2", "down")
        failures.show(step)

    @it.scenario.step(
        7,
        "The container on the second host runs on",
        on="machine2",
        run="docker ps",
        needs=[6],
        why="No service has started it, so the swarm replaces it nowhere. It only is alone.",
    )
    def runs_on(step: Step) -> None:
        state = (step.container(second).get("State") or {}).get("Status")
        step.expect(f"container {second} runs", expected="running", seen=state)

    @it.scenario.step(
        8,
        "The hosts hear each other again, and so do the containers",
        on="machine1",
        heals=6,
        book=f"docker exec {first} ping <{second}'s address>\ndocker node ls",
        needs=[6],
        probe=True,
        why="Nobody repairs anything. How soon packets pass depends on the driver: on when its "
        "nodes look for each other again, and on what they have forgotten meanwhile.",
    )
    def heals(step: Step) -> None:
        one, other = it.ends(step)
        failures.expect_answer_again(step, one, other)
        failures.expect_answer_again(step, other, one)
        failures.expect_state(step, "machine2", "ready")
        failures.expect_in_time(step, 6, "node", "machine2", "ready", healed=True)
        for ping in ("task1 to address2", "task2 to address1"):
            failures.expect_order(
                step,
                6,
                ("ping", ping, "lost", ""),
                ("node", "machine2", "down", ""),
                ("ping", ping, "answered", ""),
            )
            failures.expect_in_time(step, 6, "ping", ping, "answered", healed=True)
        failures.show(step)


def _remove(it: Cut) -> None:
    first, second = it.containers

    def end(number: int, name: str, place: str, title: str, started: int) -> None:
        @it.scenario.step(
            number, title, on=place, run=f"docker rm -f {name}", needs=[started], undoes=[started]
        )
        def judge(step: Step) -> None:
            containers.expect_gone(step, (name,))

    end(9, first, "machine1", "Remove the first container", 3)
    end(10, second, "machine2", "Remove the second", 4)

    @it.scenario.step(
        11,
        "Remove the network",
        on="machine1",
        run=f"docker network rm {it.network}",
        needs=[2],
        undoes=[2],
    )
    def remove_network(step: Step) -> None:
        network.expect_no_network(step, it.network)

    if not it.driver:
        return

    @it.scenario.step(
        "11b",
        "Disable and remove the plugin on every host",
        on=BOTH,
        book=it.book("docker plugin disable {0}\ndocker plugin rm {0}"),
        do=plugin.remove,
        undoes=["1b"],
    )
    def remove_plugin(step: Step) -> None:
        plugin.expect_gone(step)
