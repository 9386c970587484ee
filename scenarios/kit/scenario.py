"""How a scenario is written: steps in the exercise's own order, each with what must be seen.

    overlay = Scenario("overlay", exercise="6.04", title="…", summary="…")

    @overlay.step(5, "Create the overlay network", on="machine1",
                  book="docker network create -d overlay --subnet 172.45.0.0/16 … overlaynet1",
                  run="docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1")
    def create_network(step: Step) -> None:
        step.expect("the network's id is printed", expected=…, seen=step.output)

The command line in `run` is run for real on the machine; the function then judges, from the
Engine API, what came of it: two independent ways to the same fact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provision.faults.fault import DEFAULT_SECONDS, Fault
from scenarios.kit import holding
from scenarios.kit.driver import Driver
from scenarios.kit.requires import Machines, Requirement

if TYPE_CHECKING:
    from provision.machine.machine import Machine
    from scenarios.kit.step import Step

# What a step does, or how it is judged.
Body = Callable[["Step"], None]


@dataclass(frozen=True)
class StepPlan:
    """A step as it is written down: what it says, how it is done, and what must be so.

    The three can be used apart: somebody may do the step by hand, and `judge` is then all that is
    used of it. `{names}` in `run` are filled in by what steps remember. A step that `breaks`
    something makes the first of these faults that the machines can have; it is there until the step
    that `heals` it, and no longer than `lasts` seconds. So long a time line is collected, with the
    tasks of the services that it `watches`, and `pings` from tasks or machines to others.
    """

    number: str
    title: str
    on: tuple[str, ...]
    run: str
    book: str
    why: str
    needs: tuple[str, ...]
    service: str
    judge: Body
    do: Body | None = None
    undoes: tuple[str, ...] = ()
    probe: bool = False
    breaks: tuple[Fault, ...] = ()
    lasts: float = DEFAULT_SECONDS
    watches: tuple[str, ...] = ()
    pings: tuple[tuple[str, str], ...] = ()
    heals: str = ""
    healed: tuple[Fault, ...] = ()  # the faults of the step that this one heals


@dataclass
class Scenario:
    """A scenario: a list of steps, and the names of all it makes, so that it can be cleaned up.

    With a `driver` it is one over a network driver plugin: the plugin is what lab.toml's [weave]
    table says, `{plugin}` in commands is its reference, and it is removed from every node.

    `restore` sets back what it changes otherwise (nodes that are drained, say). It is given all
    machines of the lab, before the first step and after the last one, whatever has happened.

    `requires` is what it needs beside so many `machines` (`scenarios.kit.requires`). On a lab that
    lacks some of it, it is skipped with the reason before anything is made. `inv atlas` runs those
    that have `atlas`.
    """

    name: str
    exercise: str
    title: str
    summary: str
    machines: int = 2
    services: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    driver: Driver | None = None
    restore: Callable[[list[Machine]], None] | None = None
    requires: tuple[Requirement, ...] = ()
    atlas: bool = False
    steps: list[StepPlan] = field(default_factory=list)

    @property
    def needs(self) -> tuple[Requirement, ...]:
        """All that a lab must have for it."""
        return (Machines(self.machines), *self.requires)

    def step(
        self,
        number: int | str,
        title: str,
        *,
        on: str | Sequence[str],
        run: str = "",
        book: str = "",
        why: str = "",
        needs: Sequence[int | str] = (),
        service: str = "",
        do: Body | None = None,
        undoes: Sequence[int | str] = (),
        probe: bool = False,
        breaks: Fault | Sequence[Fault] = (),
        lasts: float = DEFAULT_SECONDS,
        watches: Sequence[str] = (),
        pings: Sequence[tuple[str, str]] = (),
        heals: int | str = "",
    ) -> Callable[[Body], Body]:
        """Write down the next step; the function judges what must be so after it.

        The function changes nothing: it has to be right of a step that somebody has typed by hand,
        too. What only the command's output tells is judged where `step.acted`.

        `on` names the lab's machines by their order: "machine1" is the first manager, "machine2"
        the next machine; several share one step. `run` is run on each of them before the
        function judges. A step whose `needs` did not pass is skipped, with that reason. With
        `service` the command is one that waits for a service to converge: its tasks are watched
        meanwhile, and a failing one ends the wait with its own error. A step that no command line
        does has the function `do` instead of `run`.

        `undoes` are the steps whose work this one takes away again: until they are done, that
        nothing is there means nothing. A `probe` is a step whose judge sends packets between tasks
        (pings, captures, transfers), which takes seconds.

        A step that `breaks` something makes a fault (`provision.faults.library`, machines by their
        place), which stays while the next steps run; of several, the first one that the machines
        can have. The step that `heals` the step of that number ends it. Where none does, the
        clean-up does, and in any case a timer on the machines after `lasts` seconds. That it is
        there, or gone, is judged before the function is called. Meanwhile a time line is collected
        (`step.line_of`), with the tasks of the services that it `watches`, and `pings` as those of
        `step.timeline`.
        """
        faults = (breaks,) if isinstance(breaks, Fault) else tuple(breaks)
        healed = next((one.breaks for one in self.steps if one.number == str(heals)), ())
        if heals and not healed:
            raise ValueError(f"{self.name}: step {number} heals step {heals}, which breaks nothing")

        def add(body: Body) -> Body:
            plan = StepPlan(
                number=str(number),
                title=title,
                on=(on,) if isinstance(on, str) else tuple(on),
                run=run,
                book=book or run,
                why=why,
                needs=tuple(str(n) for n in needs),
                service=service,
                judge=body,
                do=do,
                undoes=tuple(str(n) for n in (*undoes, *([heals] if heals else []))),
                probe=probe,
                breaks=faults,
                lasts=lasts,
                watches=tuple(watches),
                pings=tuple(pings),
                heals=str(heals),
                healed=healed,
            )
            typed = [*holding.by_hand(plan), *filter(None, [plan.book])]
            self.steps.append(replace(plan, book="\n".join(typed)))
            return body

        return add
