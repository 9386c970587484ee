"""The steps of Exercise 6.05, for any network driver plugin."""

from __future__ import annotations

from scenarios.checks import plugin
from scenarios.checks.network import (
    expect_address,
    expect_crossing,
    expect_name_is_task,
    expect_no_containers,
    expect_no_network,
    expect_one_task,
    gateways,
    remember_network,
    remember_task,
    subnets,
    vni_of,
)
from scenarios.kit.driver import Driver
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step


def plugin_scenario(  # noqa: PLR0915 - as many as the exercise's steps
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
    """The exercise as a scenario over `driver`; `network` and `services` are what it makes."""
    first, second = services
    it = Scenario(
        name,
        exercise=exercise,
        title=title,
        summary=summary,
        services=services,
        networks=(network,),
        driver=driver,
    )

    def book(command: str) -> str:
        # Without a book, nothing is laid beside what is run.
        return command.format(driver.book) if driver.book else ""

    @it.step(
        1,
        "Install the plugin on the first host",
        on="machine1",
        book=book("docker plugin install {}"),
        why="It is brought to all nodes at once; what it asks for is compared with what the "
        "exercise lists. Its settings go through the Engine API, a password on no command line.",
    )
    def install_first(step: Step) -> None:
        plugin.install(step)
        plugin.expect_enabled(step, [step.machine])

    @it.step(
        2,
        "The same on the other hosts",
        on="machine2",
        book=book("docker plugin install {}"),
        needs=[1],
        why="Every node that takes part in the mesh needs the plugin.",
    )
    def install_others(step: Step) -> None:
        first_host = step.context.manager.name
        others = [machine for machine in step.plugin.machines if machine.name != first_host]
        plugin.expect_enabled(step, others)
        plugin.expect_mesh(step)
        plugin.expect_known(step)

    @it.step(
        3,
        "Create the network",
        on="machine1",
        book=book(
            f"docker network create --driver={{}} --subnet {subnet} --gateway {gateway} {network}"
        ),
        run=f"docker network create --driver={{plugin}} --subnet {subnet} --gateway {gateway} "
        f"{network}",
        needs=[1, 2],
    )
    def create_network(step: Step) -> None:
        seen = step.network(network)
        step.expect(
            "the command prints the network's id", expected=seen.get("Id"), seen=step.output
        )
        step.expect(
            "the network has the subnet and the gateway that were asked for",
            expected=[[subnet], [gateway]],
            seen=[subnets(seen), gateways(seen)],
        )
        step.keep(f"network {network}", seen)
        remember_network(step, seen, driver.vni or vni_of)

    @it.step(
        4,
        "It is a swarm network of the plugin's",
        on="machine1",
        run="docker network ls",
        needs=[3],
    )
    def network_is_listed(step: Step) -> None:
        seen = step.network(network)
        step.expect("driver", expected=step.plugin.reference, seen=seen.get("Driver"))
        step.expect("scope", expected="swarm", seen=seen.get("Scope"))

    def service(number: str, one: str, place: str, why: str) -> None:
        @it.step(
            number,
            f"Start the service {one}",
            on="machine1",
            run=f"docker service create -t --replicas 1 --network {network} --name {one} "
            f"--endpoint-mode dnsrr --constraint node.hostname=={{host{place[-1]}}} "
            "--no-resolve-image {image}",
            service=one,
            needs=[3],
            why=why,
        )
        def start(step: Step) -> None:
            expect_one_task(step, one, on=place)

    service(
        "6a",
        first,
        "machine1",
        "The constraint puts the task on the first host. dnsrr: a plugin's network has no virtual "
        "address that answers (the engine finds no load balancing endpoint in it), so the "
        "service's name is to be its task's own address.",
    )
    service("6b", second, "machine2", "This one goes to the second host: the two have to cross.")

    @it.step(
        5,
        "The network has come to the second host",
        on="machine2",
        run="docker network ls",
        needs=["6b"],
        why="Taken after step 6: a swarm network comes to a worker with the first task there.",
    )
    def network_on_second_host(step: Step) -> None:
        here, there = step.network(network), step.network(network, step.context.manager)
        step.expect(
            "the network has the same id as on the first host",
            expected=there.get("Id"),
            seen=here.get("Id"),
        )
        step.expect("driver", expected=step.plugin.reference, seen=here.get("Driver"))
        step.keep(f"network {network}", here)

    def task(number: str, one: str, place: str, need: str) -> None:
        @it.step(
            number,
            f"The task of {one}, and its address",
            on=place,
            book=book("docker ps\ndocker inspect <task>"),
            run="docker ps",
            needs=[need],
        )
        def look(step: Step) -> None:
            container = remember_task(step, one, f"task{place[-1]}", network)
            step.run(f"docker inspect {container}")
            expect_address(step, one, network=network, subnet=subnet)

    task("7a", first, "machine1", "6a")
    task("7b", second, "machine2", "6b")

    def ping(number: str, here: str, there: str, service_there: str, why: str) -> None:
        @it.step(
            number,
            f"Ping {service_there} from the other host, by name and by address",
            on=f"machine{here}",
            book=book("docker exec <task> ping <service>\ndocker exec <task> ping <address>"),
            needs=["7a", "7b"],
            why=why,
        )
        def cross(step: Step) -> None:
            expect_name_is_task(step, f"task{here}", service_there, f"address{there}")
            expect_crossing(
                step,
                (f"task{here}", f"address{here}"),
                (f"task{there}", f"address{there}"),
                step.plugin.how,
            )

    ping(
        "8a",
        "2",
        "1",
        first,
        "The name is the task's own address here, so both pings cross; packets on the underlay "
        "show by which way.",
    )
    ping("8b", "1", "2", second, "A path that works one way only is a fault that is easily missed.")

    @it.step(
        "9a",
        "Remove both services",
        on="machine1",
        book=book(f"docker service rm {first}\ndocker service rm {second}"),
        run=f"docker service rm {first} {second}",
        needs=[3],
    )
    def remove_services(step: Step) -> None:
        expect_no_containers(step, services)

    @it.step(
        "9b", "Remove the network", on="machine1", run=f"docker network rm {network}", needs=[3]
    )
    def remove_network(step: Step) -> None:
        expect_no_network(step, network)

    @it.step(
        "9c",
        "Disable and remove the plugin on every host",
        on=("machine1", "machine2"),
        book=book("docker plugin disable {0}\ndocker plugin rm {0}"),
        why="What the plugin has made goes with it (bridge, rules, database): the engine leaves "
        "that behind, and the next run would find it.",
    )
    def remove_plugin(step: Step) -> None:
        plugin.remove(step)

    return it
