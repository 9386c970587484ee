"""Somebody who types an exercise on light hosts, with `inv check` beside the terminals."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

from provision.lab.model import Lab
from provision.lifecycle import running
from provision.support.errors import MachineError
from scenarios.cli.learn import exercise_on
from scenarios.kit.scenario import Scenario
from scenarios.learn import explain
from scenarios.learn.hints import hint
from scenarios.learn.look import Exercise
from scenarios.learn.mistakes.mistake import Mistake
from scenarios.learn.solve import only, solve
from tests.hosts import mistakes
from tests.hosts.light_hosts import Host, wait_for
from tests.hosts.mistakes import CREATE
from tests.support.tape import Tape, recorded
from tests.unit.scenarios.played import TYPED

FIRST, SECOND = mistakes.service(1), mistakes.service(2)
REMOVE = "docker service rm alpine-overlay1 alpine-overlay2"
REMOVE_NETWORK = "docker network rm overlaynet1"

# Write what the unit tier looks at: SWARMRIG_RECORD=1 pytest tests/hosts/test_typed.py
RECORD = "SWARMRIG_RECORD"


_MAKES = ("docker run", "docker network create", "docker service create")


def type_on(host: Host, command: str) -> subprocess.CompletedProcess[str]:
    """Type a command on a host, as its user over plain ssh, and wait for its end."""
    return subprocess.run(
        [
            "ssh",
            *("-F", "/dev/null", "-i", str(host.key)),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR", "-o", "IdentityAgent=none"),
            f"ops@{host.address}",
            command,
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@dataclass(frozen=True)
class Typed:
    """A command, and the steps that are done by it; `on` is the number of the host."""

    command: str
    steps: set[str]
    on: int = 1


@dataclass
class Learner:
    """A learner of one exercise; each look is that of a new `inv check`."""

    lab: Lab
    hosts: list[Host]
    scenario: Scenario
    tape: Tape = field(default_factory=Tape)

    def types(self, command: str, on: int = 1) -> None:
        done = type_on(self.hosts[on - 1], command)
        assert done.returncode == 0, done.stderr

    def tries(self, command: str, on: int = 1) -> str:
        """Type what is refused; what the engine says."""
        done = type_on(self.hosts[on - 1], command)
        assert done.returncode != 0, done.stdout
        return done.stderr

    @contextlib.contextmanager
    def exercise(self, hold: bool = False) -> Iterator[Exercise]:
        """The exercise for one command, which holds the lab or only looks at it."""
        opened = running.opened if hold else running.viewed
        with opened(self.lab, "check") as there:
            yield exercise_on(there, self.scenario)

    def done(self, stage: str = "") -> set[str]:
        """The steps that are done by now. The look is recorded as that of a stage."""
        with running.viewed(self.lab, "check") as there:
            machines = dict(there.machines)
            if stage:
                self.tape.enter(stage)
                machines = {name: recorded(one, self.tape) for name, one in machines.items()}
            look = exercise_on(replace(there, machines=machines), self.scenario).look()
        return {seen.plan.number for seen in look.steps if seen.state == "done"}

    def follow(self, begins: set[str], typed: Iterable[Typed]) -> list[Typed]:
        """Type command by command, and see that each does its steps and no others; what was typed.

        `begins` are the steps that are done before.
        """
        stages = [Typed("", begins), *typed]
        done: set[str] = set()
        for number, one in enumerate(stages):
            if one.command:
                self.types(one.command, one.on)
            self.wait_for(*one.steps)
            now = self.done(str(number))
            assert now - done == one.steps, one.command
            done = now
        return stages

    def keep(self, stages: list[Typed], image: str) -> None:
        """Keep what was recorded for the unit tier, where SWARMRIG_RECORD asks for it."""
        if not os.environ.get(RECORD):
            return
        with running.viewed(self.lab, "check") as there:
            api = str(next(iter(there.machines.values())).docker.api.api_version)
        self.tape.write(
            TYPED / f"{self.scenario.name}.json",
            api=api,
            image=image,
            machines=[{**asdict(machine), "access": None} for machine in self.lab.machines],
            plugin=self.lab.weave.settings if self.lab.weave else None,
            stages=[{"command": s.command, "steps": sorted(s.steps)} for s in stages],
        )

    def wait_for(self, *steps: str) -> None:
        """Wait until these steps are done: a container needs ten seconds to stop. Probes are
        tried when all others are."""
        probes = {plan.number for plan in self.scenario.steps if plan.probe}

        def there() -> bool:
            # While managers elect a leader, the swarm does not answer.
            with contextlib.suppress(MachineError), self.exercise() as exercise:
                exercise.look(lambda _: False)
                return set(steps) - probes <= set(exercise.progress.done)
            return False

        wait_for(f"steps {steps} done", there)

    def mistake(self, number: str = "") -> Mistake | None:
        """The mistake that is seen in a step, or in the next one; None for none."""
        with self.exercise() as exercise:
            look = exercise.look(lambda _: False, refusals=True)
            steps = (one for one in look.steps if one.plan.number == number)
            seen = next(steps) if number else look.next
            assert seen is not None
            return explain.mistake(look, seen)

    def removes(self, kind: str, name: str) -> None:
        """Type the removal of a service or network, which may be refused as yet."""
        type_on(self.hosts[0], f"docker {kind} rm {name}")

    def has(self, kind: str, name: str) -> bool:
        """Whether the swarm has a service or network of this name."""
        return type_on(self.hosts[0], f"docker {kind} inspect {name}").returncode == 0

    def solves_all(self) -> None:
        """Have each step done in turn: it is open before, with three hints, and done then."""
        with self.exercise(hold=True) as exercise:
            for plan in self.scenario.steps:
                look = exercise.look(only(plan.number))
                if not exercise.progress.is_done(plan.number):
                    assert look.next is not None
                    assert look.next.plan.number == plan.number
                    assert explain.mistake(look, look.next) is None
                    hints = [hint(exercise, look, look.next, stage) for stage in (1, 2, 3)]
                    assert all((hints[0].says, hints[1].command, hints[2].command))
                    assert "<" not in hints[2].command, hints[2].command
                else:
                    assert not plan.run.startswith(_MAKES), plan.number
                solve(exercise, plan.number, look)
                assert exercise.progress.is_done(plan.number)
            exercise.kept.reset()

    def forget(self) -> None:
        """Forget how far the exercise has come."""
        with self.exercise() as exercise:
            exercise.kept.reset()


def bring_to(learner: Learner, number: str) -> None:
    """The lab as it is when all before a step is typed, and nothing after it."""
    wanted = {
        ("network", "overlaynet1"): number != "5",
        ("service", "alpine-overlay1"): number in {"8", "16"},
        ("service", "alpine-overlay2"): number == "16",
    }
    commands = dict(zip(wanted, (CREATE, FIRST, SECOND), strict=True))
    for (kind, name), there in wanted.items():
        if there and not learner.has(kind, name):
            learner.types(commands[kind, name])
    for (kind, name), there in reversed(wanted.items()):
        if not there and learner.has(kind, name):
            gone(learner, kind, name)
    learner.forget()
    steps = {"5": "4", "7": "6", "8": "10", "16": "13", "17": "6"}
    with learner.exercise() as exercise:
        wait_for(
            f"all before step {number}",
            lambda: is_done(exercise, steps[number]) and not is_done(exercise, number),
        )


def gone(learner: Learner, kind: str, name: str) -> None:
    """Remove a service or network, and wait until the swarm has done so: containers stop first."""

    def removed() -> bool:
        learner.removes(kind, name)
        return not learner.has(kind, name)

    wait_for(f"{name} gone", removed)


def is_done(exercise: Exercise, number: str) -> bool:
    exercise.look(lambda _: False)
    return exercise.progress.is_done(number)
