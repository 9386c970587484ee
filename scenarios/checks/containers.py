"""Judgements about containers that a step has run itself, and who of them reaches whom.

Their names are the exercise's own: on each machine a name is given once.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from provision.support.wait import wait_until
from scenarios.checks import network, path
from scenarios.checks.path import End
from scenarios.evidence.capture import crossings
from scenarios.evidence.encapsulation import plain
from scenarios.evidence.ping import unknown
from scenarios.kit.step import Step, StepFailed
from scenarios.record import model

LOCAL_PROVES = "Nothing of it was seen on the underlay: what they say does not leave the machine."
PLAIN_PROVES = "The packets cross the underlay as they are, with the ends' own addresses."


def expect_running(step: Step, name: str, network_name: str) -> dict[str, Any]:
    """The container runs on this step's machine, in that network. It is noted in the topology."""
    found = step.container(name)
    seen = (found.get("State") or {}).get("Status", "it is not there")
    step.expect(f"container {name} runs", expected="running", seen=seen, layer="task start")
    networks = sorted((found.get("NetworkSettings") or {}).get("Networks") or {})
    step.expect(
        f"{name} is in the network {network_name} alone",
        expected=[step.called(network_name)],
        seen=networks,
    )
    if not found:
        raise StepFailed(f"there is no container {name} on {step.machine.name}")
    step.keep(f"container {name}", found)
    step.context.topology.tasks.append(
        model.Task(
            service=name,
            container=name,
            machine=step.machine.name,
            network=network_name,
            address=network.address_in(found, step.called(network_name)),
        )
    )
    return found


def end(step: Step, name: str, place: str, network_name: str, key: str = "IPAddress") -> End:
    """A container as one end of a path. Raises StepFailed where it has no address there."""
    machine = step.context.machines[place]
    address = network.address_in(step.container(name, machine), step.called(network_name), key)
    if not address:
        raise StepFailed(f"container {name} on {machine.name} has no address in {network_name}")
    return End(name, address, machine)


def on_machine(step: Step, here: End) -> Step:
    """The same step, acting on the machine of one end."""
    return Step(step.context, step.data, [here.machine], step.outputs, step.acted)


def expect_name(step: Step, here: End, there: End) -> None:
    """The other container's name resolves to its address, and it answers."""
    at = on_machine(step, here)
    _await_name(step, here, there.task, [there.address])
    ping = at.ping(here.task, there.task, "tasks-name")
    at.expect(
        f"in {here.task} the name {there.task} resolves to that container's address",
        expected=there.address,
        seen=ping.address or "it did not resolve",
        source="ping",
        layer="name",
    )
    network.expect_replies(
        at, ping, f"{there.task} answers to its name", "The name leads there.", "small packet"
    )


def expect_no_name(step: Step, here: End, name: str) -> None:
    """In a container a name does not resolve. A ping that could not even be tried shows nothing."""
    at = on_machine(step, here)
    ping = at.ping(here.task, name, "tasks-name")
    said = at.data.commands[-1]
    asked = unknown(said.stdout + said.stderr)
    at.expect(
        f"in {here.task} the name {name} does not resolve",
        expected="it did not resolve",
        seen=ping.address or ("it did not resolve" if asked else "nothing was asked"),
        source="ping",
    )


def expect_answer(step: Step, here: End, there: End) -> model.Ping:
    """A ping of the other end's address is answered."""
    at = on_machine(step, here)
    ping = at.ping(here.task, there.address, "task-address")
    network.expect_replies(
        at,
        ping,
        f"{there.task} answers {here.task} at its address {there.address}",
        "The two reach each other.",
        "small packet",
    )
    return ping


def expect_no_answer(
    step: Step, here: End, address: str, whose: str, proves: str, *, sends: bool = True
) -> None:
    """A ping of an address is not answered. It has to be sent, unless there is no way to (`sends`).

    A ping that could not even be tried shows nothing.
    """
    at = on_machine(step, here)
    ping = at.ping(here.task, address, "task-address")
    at.expect(
        f"{whose} does not answer {here.task} at {address}",
        expected="0 replies",
        seen=f"{ping.received} replies" if ping.sent or not sends else "nothing was sent",
        source="ping",
        proves=proves,
    )


def expect_nothing_leaves(step: Step, here: End, there: End, network_name: str) -> None:
    """They answer each other, and no packet of it is on the underlay of any machine."""
    with step.capturing(plain(), between=[here.address, there.address]) as captures:
        expect_answer(step, here, there)
    for capture in captures:
        step.expect(
            f"no packet between them is seen on {capture.interface}",
            expected=0,
            seen=capture.total,
            source="capture",
            proves=LOCAL_PROVES,
            machine=step.context.named(capture.machine),
        )
    path.expect_full_size(on_machine(step, here), here, there, network_name)


def expect_unwrapped(step: Step, here: End, there: End, network_name: str) -> None:
    """A ping crosses the underlay with nothing around it: both captures have it.

    So nothing is lost of the underlay's MTU: packets of the full size cross as well.
    """
    with step.capturing(plain(), between=[here.address, there.address]) as captures:
        expect_answer(step, here, there)
    for capture in captures:
        for kind, one, other in (
            ("echo request", here.address, there.address),
            ("echo reply", there.address, here.address),
        ):
            seen = crossings(capture, kind, one, other, None)
            step.expect(
                f"ICMP {kind} {one} > {other} is seen on {capture.interface}, as it was sent",
                expected="1 packet or more",
                seen=f"{seen} of {capture.total} captured packets",
                passed=seen > 0,
                source="capture",
                proves=PLAIN_PROVES,
                machine=step.context.named(capture.machine),
                layer="small packet",
            )
    path.expect_full_size(on_machine(step, here), here, there, network_name)


def links(here: End) -> list[dict[str, Any]]:
    """A container's interfaces with their addresses, as the machine's own `ip` lists them."""
    inside = "nsenter -n -t \"$(docker inspect -f '{{.State.Pid}}' " + shlex.quote(here.task) + ')"'
    shown = here.machine.run_checked(f"{inside} ip -j -d address", 30, sudo=True)
    found: list[dict[str, Any]] = json.loads(shown)
    return found


def expect_gone(step: Step, names: Sequence[str], patience: float = 30) -> None:
    """None of these containers is on any of this step's machines."""

    def left() -> list[str]:
        return [f"{n} on {m.name}" for m in step.machines for n in names if step.container(n, m)]

    seen = wait_until(left, lambda found: not found, step.context.patience(patience))
    step.expect("these containers are gone", expected=[], seen=seen)


def expect_resolves(
    step: Step, here: End, name: str, what: str, expected: Sequence[str], patience: float = 30
) -> None:
    """A name is all of these addresses, and no other. What one node knows of another's tasks comes
    a moment later."""
    _await_name(step, here, name, expected, patience)
    said = step.run(_asking(here, name), on=here.machine, must=False).stdout
    step.expect(
        what,
        expected=sorted(expected),
        seen=resolved(said),
        passed=None if expected else False,
        source="command",
        machine=here.machine,
        layer="name",
    )


def _await_name(
    step: Step, here: End, name: str, expected: Sequence[str], patience: float = 30
) -> None:
    wait_until(
        lambda: resolved(here.machine.run(_asking(here, name), 60).stdout),
        lambda seen: seen == sorted(expected),
        step.context.patience(patience),
    )


def _asking(here: End, name: str) -> str:
    return f"docker exec {shlex.quote(here.task)} nslookup {shlex.quote(name)} {DNS}"


def resolved(said: str) -> list[str]:
    """The addresses in an answer of Docker's DNS server, as nslookup prints it, sorted."""
    # What comes before the name is the server's own address.
    _, _, answer = said.partition("Name:")
    return sorted({*_IPV4.findall(answer), *_IPV6.findall(answer)} - {DNS})


DNS = "127.0.0.11"  # where Docker's DNS server listens in each container
_IPV6 = re.compile(r"(?<![\w:])[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]{1,4}\b", re.IGNORECASE)
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


def expect_other_machine_only(step: Step, name: str, network_name: str) -> None:
    """A container on the underlay reaches the second machine, and not the first, its own."""
    here = end(step, name, "machine1", network_name)
    own, other = (step.context.machines[f"machine{n}"] for n in (1, 2))
    expect_answer(step, here, End(f"the machine {other.name}", other.address, other))
    expect_no_answer(
        step,
        here,
        own.address,
        f"its own machine {own.name}",
        "A container on a device over the machine's interface does not reach the machine.",
    )
