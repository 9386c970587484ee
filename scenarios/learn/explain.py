"""Why a step is not done yet, in a sentence for a beginner."""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.aims import Aim
from scenarios.learn.look import Exercise, Look, Seen
from scenarios.learn.mistakes import find
from scenarios.learn.mistakes.mistake import Case, Mistake, listed


def case_of(look: Look) -> Case:
    """The lab as it was looked at, for those who look for mistakes in it."""
    failing = any(one.plan.breaks and one.state == "done" for one in look.steps)
    return Case(look.world, look.called, tuple(look.aims.values()), failing)


def mistake(look: Look, seen: Seen) -> Mistake | None:
    """The likeliest mistake in a step that is open; None where none is seen.

    While a fault is there, what the swarm does not hear is no mistake of the learner's.
    """
    if seen.state != "open" or seen.ready or look.broken:
        return None
    return find.mistake(look.aims.get(seen.plan.number), case_of(look))


def why_not(exercise: Exercise, look: Look, seen: Seen) -> str:
    """Why a step is not done; "" for one that is."""
    if seen.state == "done":
        return ""
    if seen.state == "waiting":
        undone = [
            number
            for number in dict.fromkeys((*seen.plan.needs, *seen.plan.undoes))
            if not exercise.progress.is_done(number)
        ]
        return f"It waits for step{'s' if len(undone) > 1 else ''} {listed(undone)}."
    if seen.ready:
        return "It has not been tried yet: packets are sent, which takes seconds."
    if found := mistake(look, seen):
        return found.says
    return _not_yet(look.aims.get(seen.plan.number), case_of(look)) or _judged(seen)


def _judged(seen: Seen) -> str:
    """What the step's judge said."""
    if seen.step is None:
        return ""
    failed = [one for one in seen.step.expectations if one.passed is False]
    if failed:
        one = failed[0]
        return f"{_capital(one.what)}: that is not so yet (seen: {_shown(one.seen)})."
    return f"{_capital(seen.step.reason)}."


def _shown(seen: object) -> str:
    return seen if isinstance(seen, str) else repr(seen)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _not_yet(aim: Aim | None, case: Case) -> str:
    """What the step is to bring about and has not, where nothing else is wrong; else ""."""
    match aim:
        case aims.Network() if case.network(aim) is None:
            where = f" on {case.where(aim.place)}" if aim.local else ""
            return f"There is no network {case.name(aim.name)}{where} yet."
        case aims.Service():
            return _service_not_yet(aim, case)
        case aims.Container():
            return _container_not_yet(aim, case)
        case aims.Removal():
            return _left(aim, case)
        case aims.Availability():
            machine = case.world.machine_of(aim.node)
            return f"{machine} is not set to {aim.availability} yet, or its tasks still move."
        case aims.Roles():
            names = listed(map(case.world.machine_of, aim.nodes))
            return f"{names}: the swarm does not have {aim.role} as the role yet."
        case aims.Plugin(there=True):
            return f"{aim.reference} is not installed on {listed(map(case.where, aim.places))} yet."
        case aims.Plugin():
            return f"{aim.reference} is still installed."
    return ""


def _service_not_yet(aim: aims.Service, case: Case) -> str:
    service = case.world.service(case.name(aim.name))
    if service is None:
        return f"There is no service {aim.name} yet."
    if not service.running():
        state = service.tasks[-1].state if service.tasks else "new"
        return f"The task of {service.name} is not running yet: it is {state}."
    return ""


def _container_not_yet(aim: aims.Container, case: Case) -> str:
    engine = case.world.engines[aim.place]
    found = next((one for one in engine.containers if one.name == aim.name), None)
    if found is None:
        return f"There is no container {aim.name} on {engine.machine} yet."
    return "" if found.state == "running" else f"Container {aim.name} is {found.state}."


def _left(aim: aims.Removal, case: Case) -> str:
    services = [name for name in map(case.name, aim.services) if case.world.service(name)]
    networks = [
        f"{name} on {case.where(place)}" if there.scope == "local" else name
        for name in map(case.name, aim.networks)
        for place in aim.places
        if (there := case.world.network(name, place))
    ]
    containers = [
        one.name
        for place in aim.places
        for one in case.world.engines[place].containers
        if one.name in aim.containers
    ]
    left = services or networks or containers
    if not left:
        return ""
    return f"{listed(left)} {'is' if len(left) == 1 else 'are'} still there."
