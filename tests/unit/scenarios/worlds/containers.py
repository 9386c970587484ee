"""Broken worlds of exercises with plain containers."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds.broken import (
    CAPTURE,
    NETWORK,
    NETWORKS,
    Broken,
    as_in,
    body,
    failing,
    no_packets,
    output,
    put,
)
from tests.unit.scenarios.worlds.two_tasks import VXLAN_MISSED, other_bytes

BAD_ADDRESS = "ping: bad address 'x'\n"
ANSWERED = "3 packets transmitted, 3 packets received, 0% packet loss\n"


def inspected(name: str) -> str:
    return rf"^GET /\S+/containers/{name}/json$"


def _elsewhere(container: Any) -> Any:
    settings = container["NetworkSettings"]
    settings["Networks"] = {f"{name}x": one for name, one in settings["Networks"].items()}
    return container


def runs(step: str, machine: str, name: str, more: str = "") -> list[Broken]:
    """The step that runs a container: it has ended, or is in another network.

    What it has of its network, an address such as `more`, is missed then as well.
    """
    also = (f"{step}: {name} has an? {more}",) if more else ()
    return [
        Broken(
            f"{name} has ended",
            step,
            machine,
            inspected(name),
            put("exited", "State", "Status"),
            (f"{step}: container {name} runs",),
        ),
        Broken(
            f"{name} in another network",
            step,
            machine,
            inspected(name),
            body(_elsewhere),
            (f"{step}: {name} is in the network", *also),
        ),
    ]


def silent(step: str, machine: str, target: str, *fails: str) -> Broken:
    """A ping of a target is not answered."""
    what = rf"^docker exec \S+ ping .* {target}$"
    expected = tuple(f"{step}: {one}" for one in fails)
    return Broken(f"{target} is silent in step {step}", step, machine, what, _silent, expected)


def _silent(answer: Answer, _: Tape) -> None:
    head = answer["out"].split("\n")[0]
    answer["out"] = f"{head}\n\n3 packets transmitted, 0 packets received, 100% packet loss\n"


def answering(step: str, machine: str, target: str, what: str) -> Broken:
    """A ping that nobody may answer is answered."""

    def edit(answer: Answer, _: Tape) -> None:
        head = f"PING {target} ({target}): 56 data bytes\n"
        replies = "".join(f"64 bytes from {target}: seq={n} ttl=64 time=0.1 ms\n" for n in range(3))
        statistics = f"\n--- {target} ping statistics ---\n{ANSWERED}"
        answer["out"], answer["code"] = head + replies + statistics, 0

    request = rf"^docker exec \S+ ping .* {target}$"
    return Broken(f"{target} answers in step {step}", step, machine, request, edit, (what,))


def not_sent(step: str, machine: str, target: str, what: str) -> Broken:
    """A ping that nobody may answer was not even sent."""
    request = rf"^docker exec \S+ ping .* {target}$"
    return Broken(f"nothing sent in step {step}", step, machine, request, failing(""), (what,))


def not_asked(step: str, machine: str, name: str) -> Broken:
    """A name that has to be unknown was not even asked for."""
    request = rf"^docker exec \S+ ping .* {name}$"
    what = (f"{step}: in .* the name {name} does not resolve",)

    def edit(answer: Answer, _: Tape) -> None:
        answer |= {"out": "", "err": "Error response from daemon: No such container", "code": 1}

    return Broken(f"{name} not asked for in step {step}", step, machine, request, edit, what)


def name_lost(step: str, machine: str, name: str, *fails: str) -> Broken:
    """A name that has to resolve does not."""
    what = rf"^docker exec \S+ ping .* {name}$"
    expected = tuple(f"{step}: {one}" for one in fails)
    return Broken(f"{name} unknown", step, machine, what, failing(BAD_ADDRESS), expected)


def large_lost(step: str, machine: str) -> Broken:
    return Broken(
        f"large packets lost in step {step}",
        step,
        machine,
        "ping -n -M do",
        failing("3 packets transmitted, 0 received"),
        (f"{step}: a ping of .* with packets of",),
    )


def crosses(
    step: str, machine: str, other: str, address: str, missed: tuple[str, ...] = VXLAN_MISSED
) -> list[Broken]:
    """The step that crosses an overlay network from one container to the other.

    Where nothing is captured, these expectations are `missed`.
    """
    return [
        name_lost(step, machine, other, "in .* the name", f"{other} answers to its name"),
        silent(step, machine, other, f"{other} answers to its name"),
        silent(step, machine, address, "the task's own address"),
        large_lost(step, machine),
        other_bytes(step, machine, address),
        *(
            Broken(
                f"nothing captured on {where} in step {step}",
                step,
                where,
                CAPTURE,
                no_packets,
                tuple(f"{step}: {what}" for what in missed),
            )
            for where in ("machine1", "machine2")
        ),
    ]


def unwrapped(step: str, machine: str, other: str, address: str) -> list[Broken]:
    """The step that crosses the underlay with nothing around its packets."""
    return [
        silent(step, machine, address, f"{other} answers"),
        large_lost(step, machine),
        *(
            Broken(
                f"nothing captured on {where} in step {step}",
                step,
                where,
                CAPTURE,
                no_packets,
                (f"{step}: ICMP echo request", f"{step}: ICMP echo reply"),
            )
            for where in ("machine1", "machine2")
        ),
    ]


def leaves(step: str, machine: str) -> Broken:
    """A ping that may not leave the machine is captured on its underlay."""

    def edit(answer: Answer, _: Tape) -> None:
        header = base64.b64decode(answer["out"])[:24]
        frame = bytes(14) + bytes.fromhex(
            "4500001c000000004001000001010101020202020800000000000000"
        )
        size = len(frame).to_bytes(4, "little")
        record = bytes(8) + size + size + frame
        answer["out"] = base64.b64encode(header + record).decode()

    what = f"{step}: no packet between them is seen"
    return Broken(f"a packet leaves {machine}", step, machine, CAPTURE, edit, (what,))


def stays(step: str, machine: str, name: str, there: str) -> Broken:
    """The step that removes a container: it is still there, as it was in the step `there`."""

    def edit(answer: Answer, tape: Tape) -> None:
        as_in(there, inspected(name))(answer, tape)
        answer["status"] = 200

    return Broken(
        f"{name} stays", step, machine, inspected(name), edit, (f"{step}: these containers",)
    )


def network_stays(step: str, machine: str, name: str, there: str) -> Broken:
    edit = as_in(there, NETWORKS)
    return Broken("the network stays", step, machine, NETWORKS, edit, (f"{step}: {name}",))


def left(name: str) -> Broken:
    """A container is still there after the clean-up."""

    def edit(answer: Answer, tape: Tape) -> None:
        key = next(key for key in tape.answers if f"docker run -d -t --name {name} " in key)
        id_ = tape.answers[key][0]["out"].strip()
        api = next(key for key in tape.answers if "/containers/json?" in key).split("/")[1]
        found = {"Id": id_, "Name": f"/{name}", "Config": {"Labels": {}}}
        document = {"status": 200, "type": "application/json", "body": json.dumps(found)}
        tape.answers[f"0|0|machine1|GET /{api}/containers/{id_}/json"] = [document]
        removed = f"0|0|machine1|DELETE /{api}/containers/{id_}?v=False&link=False&force=True"
        tape.answers[removed] = [{"status": 204, "type": "", "body": ""}]
        answer["body"] = json.dumps([{"Id": id_}])

    request = r"^GET /\S+/containers/json\?"
    return Broken(
        f"{name} is left", "0", "machine1", request, edit, ("0: no service, container or network",)
    )


def network(step: str, driver: str, machine: str = "machine1") -> list[Broken]:
    """The step that creates a network: another driver, another subnet, another id."""
    return [
        Broken(
            f"another driver than {driver}",
            step,
            machine,
            NETWORK,
            put("other", "Driver"),
            (f"{step}: the network's driver",),
        ),
        Broken(
            "another subnet",
            step,
            machine,
            NETWORK,
            put([{"Subnet": "10.9.9.0/24"}], "IPAM", "Config"),
            (f"{step}: the network has the subnet",),
        ),
        Broken(
            "another id",
            step,
            machine,
            "^docker network create",
            output("b" * 64 + "\n"),
            (f"{step}: the command prints",),
        ),
    ]
