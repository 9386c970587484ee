"""The likeliest mistake in a step that is not done."""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.aims import Aim
from scenarios.learn.mistakes import containers, networks, nodes, services
from scenarios.learn.mistakes.mistake import Case, Mistake


def mistake(aim: Aim | None, case: Case) -> Mistake | None:
    """What is wrong, by what is there; None where nothing wrong is seen, and all is to be done."""
    return (None if case.failing else nodes.membership(case)) or _of(aim, case)


def _of(aim: Aim | None, case: Case) -> Mistake | None:
    match aim:
        case aims.Network():
            return networks.mistake(aim, case)
        case aims.Service():
            return services.mistake(aim, case)
        case aims.Container():
            return containers.mistake(aim, case)
        case aims.Removal():
            return services.still_there(aim, case) or networks.still_there(aim, case)
        case aims.Scale():
            return services.scale(aim, case)
        case aims.Availability():
            return nodes.availability(aim, case)
        case aims.Roles():
            return nodes.roles(aim, case)
        case aims.Plugin():
            return nodes.plugin(aim, case)
    return None
