"""Mistakes in starting, scaling and removing services.

Source: https://docs.docker.com/reference/cli/docker/service/create/
"""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.mistakes.mistake import Case, Mistake, Rule, first, listed, near
from scenarios.learn.names import attached_to, nodes_of
from scenarios.learn.world import Service, Task

_IMAGE = ("No such image", "pull access denied", "manifest unknown", "repository does not exist")
_ENDED = {"complete", "failed", "shutdown", "rejected"}


def mistake(aim: aims.Service, case: Case) -> Mistake | None:
    """The likeliest mistake in starting the service that is wanted."""
    there = case.world.service(case.name(aim.name))
    missing: tuple[Rule[aims.Service], ...] = (
        _a_container,
        _no_network,
        lambda _, case: typed_on_a_worker(case),
        _another_name,
    )
    wrong: tuple[Rule[aims.Service], ...] = (
        _not_on_the_network,
        _another_endpoint,
        _on_every_node,
        _another_number,
        _no_image,
        _no_node,
        _ends_at_once,
        _cannot_start,
        _on_another_node,
        lambda aim, case: _uneven(_there(aim, case), aim.replicas, case),
    )
    return first(wrong if there else missing, aim, case)


def _there(aim: aims.Service, case: Case) -> Service:
    found = case.world.service(case.name(aim.name))
    assert found is not None
    return found


def _again(service: Service) -> str:
    return f"docker service rm {service.name}"


# -- there is no such service ---------------------------------------------------------------------


def _a_container(aim: aims.Service, case: Case) -> Mistake | None:
    for place, engine in case.world.engines.items():
        if any(one.name == aim.name and not one.service for one in engine.containers):
            return Mistake(
                "a container instead of a service",
                f"{aim.name} is a container on {engine.machine}, started with `docker run`. A "
                "service is the swarm's: `docker service create` on a manager starts its tasks.",
                undo=f"docker rm -f {aim.name}",
                on=place,
            )
    return None


def _no_network(aim: aims.Service, case: Case) -> Mistake | None:
    gone = [name for name in map(case.name, aim.networks) if not case.world.network(name)]
    if not gone:
        return None
    return Mistake(
        "the network is gone",
        f"The network {gone[0]}, which the service is to use, is not there any more: create it "
        "again.",
    )


def typed_on_a_worker(case: Case) -> Mistake | None:
    """A worker's engine has refused a command about services since the exercise was begun."""
    for engine in case.world.engines.values():
        if any("service" in line for line in engine.refused):
            return Mistake(
                "typed on a worker",
                f"A command about services was typed on {engine.machine}, which refused it: it is "
                f"a worker. Type it on a manager, {case.where('machine1')}.",
            )
    return None


def _another_name(aim: aims.Service, case: Case) -> Mistake | None:
    others = {one.name for one in case.aims if isinstance(one, aims.Service)}
    others |= set(case.called.values())
    own = [one.name for one in case.world.services if one.name not in others]
    ids = attached_to(case.world, map(case.name, aim.networks))
    beside = [one for one in case.world.services if one.name in own and ids & set(one.networks)]
    name = near(aim.name, own) or (beside[0].name if len(beside) == 1 else "")
    if not name:
        return None
    service = next(one for one in case.world.services if one.name == name)
    says = f"There is a service {name} where the exercise has {aim.name}. "
    if not ids & set(service.networks):
        says += f"Its name alone would not matter; it is not on {_names(aim, case)}."
    elif aim.node and aim.node not in nodes_of(service):
        says += (
            "Its name alone would not matter; its task does not run on "
            f"{case.world.machine_of(aim.node)}, where this one's belongs."
        )
    else:
        says += "More than one service could be meant by it."
    return Mistake("another name", says, undo=f"docker service rm {name}")


# -- there is one, and it is not as it should be --------------------------------------------------


def _names(aim: aims.Service, case: Case) -> str:
    return listed(map(case.name, aim.networks))


def _not_on_the_network(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if not aim.networks or attached_to(case.world, map(case.name, aim.networks)) & set(
        service.networks
    ):
        return None
    if not service.networks:
        return Mistake(
            "not on the network",
            f"{service.name} is on no network: `--network {_names(aim, case)}` was left out.",
            undo=_again(service),
        )
    known = {one.id: one.name for one in case.world.manager.networks}
    seen = listed(known.get(one, one) for one in service.networks)
    return Mistake(
        "on another network",
        f"{service.name} is on {seen}, and not on {_names(aim, case)}.",
        undo=_again(service),
    )


def _another_endpoint(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if service.endpoint == aim.endpoint:
        return None
    return Mistake(
        "another endpoint mode",
        f"{service.name} has the endpoint mode {service.endpoint}: the exercise gives it "
        f"`--endpoint-mode {aim.endpoint}`.",
        undo=_again(service),
    )


def _on_every_node(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if service.replicas is not None:
        return None
    return Mistake(
        "on every node",
        f"{service.name} runs on every node (`--mode global`): the exercise wants `--replicas "
        f"{aim.replicas}`.",
        undo=_again(service),
    )


def _another_number(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if service.replicas == aim.replicas:
        return None
    return Mistake(
        "another number of tasks",
        f"{service.name} is to have {service.replicas} task{'s' if service.replicas != 1 else ''}: "
        f"the exercise wants {aim.replicas}.",
        undo=f"docker service scale {service.name}={aim.replicas}",
        done=True,
    )


def _last(service: Service) -> Task | None:
    """The newest task that is not running, where none is."""
    return None if service.running() or not service.tasks else service.tasks[-1]


def _errors(service: Service) -> list[str]:
    return [task.error for task in reversed(service.tasks) if task.error]


def _no_image(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if _last(service) is None:
        return None
    missing = [
        text for text in _errors(service) if any(sign.lower() in text.lower() for sign in _IMAGE)
    ]
    if not missing:
        return None
    image = service.image.partition("@")[0]
    return Mistake(
        "the image is missing",
        f"The image {image} of {service.name} cannot be had: it is not on the node, and no "
        f"registry gives it. Every node has {aim.image}.",
        undo=_again(service),
    )


def _no_node(aim: aims.Service, case: Case) -> Mistake | None:
    service, last = _there(aim, case), _last(_there(aim, case))
    if last is None or last.state != "pending":
        return None
    nodes = case.world.nodes
    if nodes and all(node.availability != "active" for node in nodes):
        return Mistake(
            "nodes are drained",
            f"No node takes a task of {service.name}: all are drained or paused.",
            undo=f"docker node update --availability active {nodes[0].hostname}",
            done=True,
        )
    if service.constraints:
        return Mistake(
            "no node fits the constraint",
            f"No node that takes tasks fits the constraint of {service.name}, "
            f"{listed(service.constraints)}: see `docker node ls`.",
            undo=_again(service),
        )
    return Mistake(
        "no node takes the task",
        f"No node takes the task of {service.name}: {last.error or 'see docker node ls'}.",
    )


def _ends_at_once(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if service.terminal or service.command or service.running():
        return None
    if not any(task.state in _ENDED for task in service.tasks):
        return None
    return Mistake(
        "the shell ends at once",
        f"The tasks of {service.name} end as soon as they start, and are started again and again: "
        "the image's shell ends when it has no terminal. `-t` gives it one.",
        undo=_again(service),
    )


def _cannot_start(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    if _last(service) is None or not (errors := _errors(service)):
        return None
    return Mistake(
        "the task does not start",
        f"No task of {service.name} runs. The engine says: {errors[0]}",
        undo=_again(service),
    )


def _on_another_node(aim: aims.Service, case: Case) -> Mistake | None:
    service = _there(aim, case)
    nodes = nodes_of(service)
    if not aim.node or not nodes or nodes == {aim.node}:
        return None
    others = [
        case.name(one.name)
        for one in case.aims
        if isinstance(one, aims.Service) and one.name != aim.name
    ]
    beside = [
        name for name in others if (other := case.world.service(name)) and nodes_of(other) & nodes
    ]
    seen, belongs = (case.world.machine_of(node) for node in (min(nodes), aim.node))
    if beside:
        says = (
            f"The tasks of {listed([beside[0], service.name])} both run on {seen}, so nothing of "
            f"what they say to each other would leave it. A constraint puts {service.name} on "
            f"{belongs}."
        )
        return Mistake("both tasks on one node", says, undo=_again(service))
    return Mistake(
        "on another node",
        f"The task of {service.name} runs on {seen}: in the exercise it runs on {belongs}. A "
        "constraint puts it there.",
        undo=_again(service),
    )


def _uneven(service: Service, replicas: int, case: Case) -> Mistake | None:
    """All tasks run, and some nodes have more of them. The scheduler counts tasks when it places
    one, and moves none later: a node that was not ready at that moment has fewer."""
    nodes = [node.id for node in case.world.nodes if node.availability == "active"]
    where = [task.node for task in service.running()]
    if service.constraints or not nodes or len(where) != replicas or replicas % len(nodes):
        return None
    counts = {node: where.count(node) for node in nodes}
    if len(set(counts.values())) == 1 or sum(counts.values()) != replicas:
        return None
    seen = listed(f"{count} on {case.world.machine_of(node)}" for node, count in counts.items())
    return Mistake(
        "spread unevenly",
        f"All tasks of {service.name} run, {seen}: a node was not ready when they were placed, and "
        "the swarm moves none later. A forced update places all of them again.",
        undo=f"docker service update --force --update-parallelism 0 {service.name}",
        on=next((place for place, one in case.world.engines.items() if one.manager), "machine1"),
        done=True,
    )


# -- scaling and removing -------------------------------------------------------------------------


def scale(aim: aims.Scale, case: Case) -> Mistake | None:
    """Why the service does not have the tasks that it is to have."""
    service = case.world.service(case.name(aim.service))
    if service is None:
        return Mistake("the service is gone", f"There is no service {case.name(aim.service)}.")
    before = [
        one.replicas
        for one in case.aims
        if isinstance(one, aims.Service) and one.name == aim.service
    ]
    if service.replicas == aim.replicas:
        return _uneven(service, aim.replicas, case)
    if service.replicas in before:
        return None
    return Mistake(
        "another number of tasks",
        f"{service.name} is to have {service.replicas} tasks: the exercise wants {aim.replicas}.",
    )


def still_there(aim: aims.Removal, case: Case) -> Mistake | None:
    """Why the services that are to be gone are not; None where nothing wrong is seen."""
    names = [case.name(name) for name in aim.services]
    there = [name for name in names if case.world.service(name)]
    if there and len(there) < len(names):
        return Mistake("a service is left", f"{listed(there)} is still there.")
    stopping = sorted(
        f"{one.name} on {engine.machine}"
        for engine in case.world.engines.values()
        for one in engine.containers
        if one.service in names and one.state == "running"
    )
    if aim.services and len(there) == len(names):
        return typed_on_a_worker(case)
    if not there and stopping:
        return Mistake(
            "containers are stopping",
            "The services are gone; their containers take ten seconds to stop: "
            f"{listed(stopping)}.",
        )
    return None
