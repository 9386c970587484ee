"""Mistakes in running a container outside of the swarm's services.

Source: https://docs.docker.com/reference/cli/docker/container/run/
"""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.mistakes.mistake import Case, Mistake, Rule, first, listed, near
from scenarios.learn.mistakes.networks import NOT_ATTACHABLE, not_attachable
from scenarios.learn.names import attached_to
from scenarios.learn.world import Container, Network

_EVERYWHERE = {"bridge", "host", "none"}


def mistake(aim: aims.Container, case: Case) -> Mistake | None:
    """The likeliest mistake in running the container that is wanted."""
    missing: tuple[Rule[aims.Container], ...] = (
        _no_network,
        _not_attachable,
        _on_another_machine,
        _a_service,
        _another_name,
    )
    wrong: tuple[Rule[aims.Container], ...] = (_has_ended, _on_another_network)
    return first(wrong if _there(aim, case) else missing, aim, case)


def _there(aim: aims.Container, case: Case) -> Container | None:
    return next((one for one in _own(aim.place, case) if one.name == aim.name), None)


def _own(place: str, case: Case) -> list[Container]:
    """The containers of a machine that are no service's."""
    return [one for one in case.world.engines[place].containers if not one.service]


def _networks(aim: aims.Container, case: Case) -> list[Network]:
    """The network that is meant: the machine's own, and the swarm's."""
    name = case.name(aim.network)
    found = [case.world.network(name, aim.place), case.world.network(name)]
    return [one for at, one in enumerate(found) if one and (at == 0 or one.scope == "swarm")]


# -- there is no such container -------------------------------------------------------------------


def _no_network(aim: aims.Container, case: Case) -> Mistake | None:
    if aim.network in _EVERYWHERE or _networks(aim, case):
        return None
    return Mistake(
        "the network is gone",
        f"The network {case.name(aim.network)}, which the container is to use, is not there any "
        "more: create it again.",
    )


def _not_attachable(aim: aims.Container, case: Case) -> Mistake | None:
    there = [one for one in _networks(aim, case) if one.scope == "swarm"]
    if not there or any(one.attachable for one in there):
        return None
    name = there[0].name
    ids = attached_to(case.world, [name])
    users = [one.name for one in case.world.services if ids & set(one.networks)]
    says = f"{not_attachable(name)} Remove {listed([*users, name])}, and create it again with it."
    undo = f"docker service rm {' '.join(users)}" if users else f"docker network rm {name}"
    return Mistake(NOT_ATTACHABLE, says, undo)


def _on_another_machine(aim: aims.Container, case: Case) -> Mistake | None:
    for place, engine in case.world.engines.items():
        if place != aim.place and any(one.name == aim.name for one in _own(place, case)):
            return Mistake(
                "on another machine",
                f"{aim.name} was run on {engine.machine}: in the exercise it runs on "
                f"{case.where(aim.place)}.",
                undo=f"docker rm -f {aim.name}",
                on=place,
            )
    return None


def _a_service(aim: aims.Container, case: Case) -> Mistake | None:
    if case.world.service(aim.name) is None:
        return None
    return Mistake(
        "a service instead of a container",
        f"{aim.name} is a service, whose tasks the swarm starts. A container of this machine alone "
        "is started with `docker run`.",
        undo=f"docker service rm {aim.name}",
    )


def _another_name(aim: aims.Container, case: Case) -> Mistake | None:
    others = {one.name for one in case.aims if isinstance(one, aims.Container)}
    own = [one for one in _own(aim.place, case) if one.name not in others]
    ids = {one.id for one in _networks(aim, case)}
    beside = [one.name for one in own if ids & set(one.addresses)]
    if aim.network in _EVERYWHERE:  # somebody else's may be there, too
        beside = []
    name = near(aim.name, [one.name for one in own]) or (beside[0] if len(beside) == 1 else "")
    if not name:
        return None
    return Mistake(
        "another name",
        f"There is a container {name} on {case.where(aim.place)} where the exercise has "
        f"{aim.name}: others call it by this name. It can be given it.",
        undo=f"docker rename {name} {aim.name}",
        on=aim.place,
        done=True,
    )


# -- there is one, and it is not as it should be --------------------------------------------------


def _has_ended(aim: aims.Container, case: Case) -> Mistake | None:
    there = _there(aim, case)
    if there is None or there.state == "running":
        return None
    says = {
        "exited": f"{aim.name} has ended: the image's shell ends when it has no terminal. `-t` "
        "gives it one.",
        "created": f"{aim.name} was created, and could not be started.",
    }
    return Mistake(
        "the container does not run",
        says.get(there.state, f"{aim.name} does not run: it is {there.state}."),
        undo=f"docker rm -f {aim.name}",
        on=aim.place,
    )


def _on_another_network(aim: aims.Container, case: Case) -> Mistake | None:
    there = _there(aim, case)
    wanted = {one.id for one in _networks(aim, case)}
    seen = set(there.addresses) if there else set()
    if there is None or not wanted or (wanted & seen and len(seen) == 1):
        return None
    known = {one.id: one.name for one in case.world.engines[aim.place].networks}
    names = listed(sorted(known.get(one, one) for one in seen)) or "no network"
    return Mistake(
        "on another network",
        f"{aim.name} is on {names}: in the exercise it is on {case.name(aim.network)} alone.",
        undo=f"docker rm -f {aim.name}",
        on=aim.place,
    )
