"""Judgements of an underlay that is slow, lossy or too narrow, beside those of the overlay on it.

The same packets are sent twice: from machine to machine, and from task to task, which is the same
way with the encapsulation around it. The difference is what the overlay adds.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from scenarios.checks import network, path
from scenarios.evidence.ping import inside, read_ping
from scenarios.kit.step import Step, StepFailed
from scenarios.record import model

_FAST = 0.05  # seconds between two pings


@dataclass(frozen=True)
class Way:
    """A way to ping: `name` in words, and the command without the options of ping."""

    name: str
    before: str  # what runs ping in a namespace, or ""
    source: str
    target: str


def remember_ends(step: Step, inside_of: str, services: tuple[str, str]) -> None:
    """Remember the tasks of two services and their addresses: the first runs on machine1, the
    second on machine2."""
    for number, service in enumerate(services, start=1):
        machine = step.context.machines[f"machine{number}"]
        found = step.containers(service, machine)
        step.expect(
            f"one container of {service} runs on {machine.name}",
            expected=1,
            seen=len(found),
            machine=machine,
        )
        network.remember_container(step, found, service, f"task{number}", inside_of, machine)


def address_in(step: Step, number: str, service: str, inside_of: str) -> path.End:
    """The task on machine`number`, with its address in another network. Raises StepFailed."""
    machine = step.context.machines[f"machine{number}"]
    found = step.containers(service, machine)
    address = network.address_in(found[0], step.called(inside_of)) if found else ""
    if not address:
        raise StepFailed(f"the task of {service} has no address in {inside_of}")
    return path.End(found[0]["Name"].lstrip("/"), address, machine)


# -- pings ----------------------------------------------------------------------------------------


def underlay(step: Step) -> Way:
    """From the first machine to the second, on the underlay."""
    here, there = (step.context.machines[place] for place in ("machine1", "machine2"))
    return Way("the underlay", "", here.name, there.address)


def overlay(step: Step) -> Way:
    """From the task on the first machine to the one on the second, by its address."""
    here, there = path.end(step, "1"), path.end(step, "2")
    return Way("the overlay network", inside(here.task), here.task, there.address)


def pings(step: Step, way: Way, count: int, options: str = f"-q -i {_FAST}") -> model.Ping:
    """So many pings on a way, by the first machine's own ping. Raises StepFailed without one."""
    command = f"{way.before} ping -n -c {count} {options} -W 4 {shlex.quote(way.target)}"
    machine = step.context.machines["machine1"]
    result = step.run(command.strip(), on=machine, must=False, sudo=True)
    ping = read_ping(result, way.source, way.target, "task-address")
    if not ping.sent:
        raise StepFailed(f"{machine.name}: `{command.strip()}`: {result.last_words}")
    return ping


def expect_all_answered(step: Step, way: Way, count: int = 20) -> None:
    """Every ping is answered."""
    ping = pings(step, way, count)
    step.expect(
        f"every ping over {way.name} is answered",
        expected=f"0 of {count} lost",
        seen=f"{ping.sent - ping.received} of {ping.sent} lost",
        passed=ping.received == ping.sent == count,
        source="ping",
    )


def expect_lost(step: Step, way: Way, count: int, least: int, most: int, proves: str = "") -> None:
    """Some pings are lost: no fewer than `least`, no more than `most`; they are lost at random."""
    ping = pings(step, way, count)
    lost = ping.sent - ping.received
    step.expect(
        f"some pings over {way.name} are lost, and most are not",
        expected=f"{least} to {most} of {count} lost",
        seen=f"{lost} of {ping.sent} lost",
        passed=ping.sent == count and least <= lost <= most,
        source="ping",
        proves=proves,
    )


def best(step: Step, way: Way, count: int = 10) -> float:
    """The shortest round trip of some pings, in milliseconds. Raises StepFailed where none came."""
    ping = pings(step, way, count, "-i 0.2")
    if not ping.rtts_ms:
        raise StepFailed(f"no ping over {way.name} was answered")
    return min(ping.rtts_ms)


def expect_late(step: Step, way: Way, late: float) -> float:
    """No round trip is shorter than the delay that was made; the shortest one."""
    seen = best(step, way)
    step.expect(
        f"every round trip over {way.name} is late",
        expected=f"{late:g} ms or more",
        seen=f"{seen:.1f} ms",
        passed=seen >= late,
        source="ping",
    )
    return seen


def expect_not_late(step: Step, way: Way, late: float) -> float:
    """A round trip takes less than the delay that another step makes; the shortest one."""
    seen = best(step, way)
    step.expect(
        f"a round trip over {way.name} is not late",
        expected=f"less than {late:g} ms",
        seen=f"{seen:.1f} ms",
        passed=seen < late,
        source="ping",
    )
    return seen
