"""The steps of Exercise 6.05, for any network driver plugin."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.checks import network, plugin
from scenarios.kit.driver import Driver
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step


@dataclass(frozen=True)
class Exercise:
    """What differs between two exercises over plugins: the names of what they create."""

    scenario: Scenario
    driver: Driver
    network: str
    services: tuple[str, str]
    subnet: str
    gateway: str

    def book(self, command: str) -> str:
        """The book's command with the book's plugin; "" for a driver that is in no book."""
        return command.format(self.driver.book) if self.driver.book else ""


def plugin_scenario(
    name: str,
    driver: Driver,
    exercise: str,
    title: str,
    summary: str,
    network: str,
    services: tuple[str, str],
    subnet: str = "10.1.1.0/24",
    gateway: str = "10.1.1.1",
) -> Scenario:
    """The exercise as a scenario over `driver`; `network` and `services` are what it creates."""
    scenario = Scenario(
        name,
        exercise=exercise,
        title=title,
        summary=summary,
        services=services,
        networks=(network,),
        driver=driver,
    )
    it = Exercise(scenario, driver, network, services, subnet, gateway)
    _install(it)  # steps 1 and 2
    _network(it)  # steps 3 and 4
    _services(it)  # step 6
    _network_on_second_host(it)  # step 5
    _tasks(it)  # step 7
    _pings(it)  # step 8
    _remove(it)  # step 9
    return scenario


def _install(it: Exercise) -> None:
    @it.scenario.step(
        1,
        "Install the plugin on the first host",
        on="machine1",
        book=it.book("docker plugin install {}"),
        why="It is installed on all nodes at once; what it asks for is compared with what the "
        "exercise lists. Its settings go through the Engine API, a password on no command line.",
        do=plugin.install,
    )
    def install_first(step: Step) -> None:
        plugin.expect_enabled(step, [step.machine])

    @it.scenario.step(
        2,
        "The same on the other hosts",
        on="machine2",
        book=it.book("docker plugin install {}"),
        needs=[1],
        why="Every node that takes part in the mesh needs the plugin.",
    )
    def install_others(step: Step) -> None:
        first_host = step.context.manager.name
        others = [machine for machine in step.plugin.machines if machine.name != first_host]
        plugin.expect_enabled(step, others)
        plugin.expect_mesh(step)
        plugin.expect_known(step)


def _network(it: Exercise) -> None:
    options = f"--subnet {it.subnet} --gateway {it.gateway} {it.network}"

    @it.scenario.step(
        3,
        "Create the network",
        on="machine1",
        book=it.book(f"docker network create --driver={{}} {options}"),
        run=f"docker network create --driver={{plugin}} {options}",
        needs=[1, 2],
    )
    def create_network(step: Step) -> None:
        created = step.network(it.network)
        network.expect_created(step, created, step.plugin.reference, it.subnet, it.gateway)
        step.keep(f"network {it.network}", created)
        network.remember_network(step, created, it.driver.vni or network.vni_of)

    @it.scenario.step(
        4,
        "It is a swarm network of the plugin's",
        on="machine1",
        run="docker network ls",
        needs=[3],
    )
    def network_is_listed(step: Step) -> None:
        network.expect_listed(step, step.network(it.network), step.plugin.reference)


def _services(it: Exercise) -> None:
    def start(number: str, service: str, place: str, why: str) -> None:
        @it.scenario.step(
            number,
            f"Start the service {service}",
            on="machine1",
            run=f"docker service create -t --replicas 1 --network {it.network} --name {service} "
            f"--endpoint-mode dnsrr --constraint node.id=={{node{place}}} "
            "--stop-grace-period 1s --update-monitor 1s --no-resolve-image {image}",
            service=service,
            needs=[3],
            why=why,
        )
        def judge(step: Step) -> None:
            network.expect_one_task(step, service, on=f"machine{place}")

    start(
        "6a",
        it.services[0],
        "1",
        "The constraint puts the task on the first host. dnsrr: a plugin's network has no virtual "
        "address that answers (the engine finds no load balancing endpoint in it), so the "
        "service's name is to be its task's own address. Two waits are shortened: a shell ignores "
        "the request to end, and the command watches a started task.",
    )
    start("6b", it.services[1], "2", "This one goes to the second host: the two have to cross.")


def _network_on_second_host(it: Exercise) -> None:
    @it.scenario.step(
        5,
        "The network exists on the second host",
        on="machine2",
        run="docker network ls",
        needs=["6b"],
        why="Done after step 6: a swarm network comes to a worker with the first task there.",
    )
    def network_on_second_host(step: Step) -> None:
        here = network.expect_same_network(step, it.network)
        step.expect("driver", expected=step.plugin.reference, seen=here.get("Driver"))


def _tasks(it: Exercise) -> None:
    def look(number: str, service: str, place: str, need: str) -> None:
        @it.scenario.step(
            number,
            f"The task of {service}, and its address",
            on=f"machine{place}",
            book=it.book("docker ps\ndocker inspect <task>"),
            run="docker ps",
            needs=[need],
        )
        def judge(step: Step) -> None:
            container = network.remember_task(step, service, f"task{place}", it.network)
            step.run(f"docker inspect {container}")
            network.expect_address(step, service, network=it.network, subnet=it.subnet)

    look("7a", it.services[0], "1", "6a")
    look("7b", it.services[1], "2", "6b")


def _pings(it: Exercise) -> None:
    def cross(number: str, way: str, service: str, why: str) -> None:
        here, there = way.split(">")

        @it.scenario.step(
            number,
            f"Ping {service} from the other host, by name and by address",
            on=f"machine{here}",
            book=it.book("docker exec <task> ping <service>\ndocker exec <task> ping <address>"),
            needs=["7a", "7b"],
            probe=True,
            why=why,
        )
        def judge(step: Step) -> None:
            network.expect_name_is_task(step, f"task{here}", service, f"address{there}")
            network.expect_path(step, way, it.network, step.plugin.how)

    cross(
        "8a",
        "2>1",
        it.services[0],
        "The name is the task's own address here, so both pings cross; packets on the underlay "
        "show by which way. Full-size packets and TCP find what small pings do not.",
    )
    cross(
        "8b",
        "1>2",
        it.services[1],
        "A path that works one way only is a fault that is easily missed.",
    )


def _remove(it: Exercise) -> None:
    first, second = it.services

    @it.scenario.step(
        "9a",
        "Remove both services",
        on="machine1",
        book=it.book(f"docker service rm {first}\ndocker service rm {second}"),
        run=f"docker service rm {first} {second}",
        needs=[3],
        undoes=["6a", "6b"],
    )
    def remove_services(step: Step) -> None:
        network.expect_no_containers(step, it.services)

    @it.scenario.step(
        "9b",
        "Remove the network",
        on="machine1",
        run=f"docker network rm {it.network}",
        needs=[3],
        undoes=[3],
    )
    def remove_network(step: Step) -> None:
        network.expect_no_network(step, it.network)

    @it.scenario.step(
        "9c",
        "Disable and remove the plugin on every host",
        on=("machine1", "machine2"),
        book=it.book("docker plugin disable {0}\ndocker plugin rm {0}"),
        why="What the plugin has created is removed with it (bridge, rules, database): the engine "
        "leaves that behind, and the next run would find it.",
        do=plugin.remove,
        undoes=[1, 2],
    )
    def remove_plugin(step: Step) -> None:
        plugin.expect_gone(step)
