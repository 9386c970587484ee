"""How soon a step is seen done: from the command's end to the verdict of a watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from provision.lifecycle import up
from scenarios.learn.watch import looks
from scenarios.overlay import overlay
from tests.bench.light import light_lab
from tests.bench.measure import Series
from tests.hosts.light_hosts import wait_for
from tests.hosts.mistakes import CREATE, service
from tests.hosts.typed import Learner
from tests.support.progress import quiet

# The step, what is typed for it, and what it makes.
_TYPED = {"5": (CREATE, "network", "overlaynet1"), "7": (service(1), "service", "alpine-overlay1")}


def run(runs: int) -> Iterator[str]:
    """`docker service create -d` ends before its task runs: its start is in the time."""
    with light_lab(2) as light, light.fabric.entered():
        up.up(light.lab, quiet())
        learner = Learner(light.lab, light.hosts, overlay)
        waits = {number: Series(f"step {number}") for number in _TYPED}
        for _ in range(runs):
            learner.forget()
            for number, seconds in _once(learner).items():
                waits[number].values.append(seconds)
            for _, kind, name in reversed(_TYPED.values()):
                remove(learner, kind, name)
    yield f"a watch, from a command's end to the verdict, on light hosts: {runs} runs"
    yield f"  network created  {waits['5'].told()}"
    yield f"  service created  {waits['7'].told()}, its task's start included"


def _once(learner: Learner) -> dict[str, float]:
    """The seconds from each command's end until its step was seen done."""
    ended: dict[str, float] = {}
    seen: dict[str, float] = {}
    ready = {number: threading.Event() for number in _TYPED}

    def types() -> None:
        for number, (command, _, _) in _TYPED.items():
            ready[number].wait()
            learner.types(command)
            ended[number] = time.monotonic()

    typist = threading.Thread(target=types)
    typist.start()
    with learner.exercise() as exercise:
        for look in looks(exercise, lambda _: None):
            done = {one.plan.number for one in look.steps if one.state == "done"}
            for number in done & set(_TYPED):
                seen.setdefault(number, time.monotonic())
            if not seen:
                ready["5"].set()
            elif len(seen) < len(_TYPED):
                ready["7"].set()
            else:
                break
    typist.join()
    return {number: max(seen[number] - ended[number], 0.0) for number in _TYPED}


def remove(learner: Learner, kind: str, name: str) -> None:
    def gone() -> bool:
        learner.removes(kind, name)
        return not learner.has(kind, name)

    wait_for(f"{name} gone", gone)
