"""What a mistake is, and what it is recognized in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from scenarios.learn.aims import Aim, Network
from scenarios.learn.world import Network as Seen
from scenarios.learn.world import World

A = TypeVar("A", bound=Aim)


@dataclass(frozen=True)
class Mistake:
    """`name` tells it from others, `says` explains it to a beginner, `undo` is a command line for
    machine1 (or for `on`) that takes it back, "" where none is needed. With `done` the step is done
    by that."""

    name: str
    says: str
    undo: str = ""
    on: str = "machine1"
    done: bool = False


@dataclass(frozen=True)
class Case:
    """The lab as it is, and the exercise's things under the names that they have here.

    `aims` are those of all steps: what another step is to bring about is no mistake. `failing` says
    that the exercise has made nodes fail: that they are gone, or not yet back, is none either.
    """

    world: World
    called: dict[str, str] = field(default_factory=dict)
    aims: tuple[Aim, ...] = ()
    failing: bool = False

    def name(self, name: str) -> str:
        return self.called.get(name, name)

    def network(self, aim: Network) -> Seen | None:
        """The network that is meant, as it is: where one machine has it, on that machine."""
        return self.world.network(self.name(aim.name), aim.place if aim.local else "")

    def where(self, place: str) -> str:
        """The name of the machine at a place of the exercise."""
        return self.world.engines[place].machine


# What recognizes one mistake about one kind of aim.
Rule = Callable[[A, Case], Mistake | None]


def first(rules: Iterable[Rule[A]], aim: A, case: Case) -> Mistake | None:
    """The first mistake that any of the rules recognizes."""
    return next((found for rule in rules if (found := rule(aim, case))), None)


def near(wanted: str, names: Iterable[str]) -> str:
    """The one of the names that may be a typing error of the wanted one; "" for none."""
    close = difflib.get_close_matches(wanted, list(names), n=1, cutoff=0.75)
    return close[0] if close else ""


def listed(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    all_words = list(words)
    head, last = all_words[:-1], all_words[-1:]
    return " and ".join([*([", ".join(head)] if head else []), *last])
