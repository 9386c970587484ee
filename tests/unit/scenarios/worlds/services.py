"""Broken worlds of exercises with services: how their names and ports lead to their tasks."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import containers, failures, frames, two_tasks
from tests.unit.scenarios.worlds.broken import (
    CAPTURE,
    CONTAINER,
    SERVICE,
    TASKS,
    Broken,
    Edit,
    body,
    container_left,
    failing,
    output,
    stopped,
    text,
)

NOBODY = "@\nno answer\n"


# -- vip ------------------------------------------------------------------------------------------


def _ping_leaves(answer: Answer, _: Tape) -> None:
    """The ping of the name is captured, on its way to another machine."""
    frames.with_frame(frames.in_vxlan(frames.ping("10.46.3.5", "10.46.3.2")), answer)


def _address_of_a_task(answer: Answer, tape: Tape) -> None:
    """The virtual address is a task's own as well; DNS says the same."""
    key = next(k for k in tape.answers if re.search(rf"^4\|0\|machine1\|{TASKS[1:]}", k))
    task = json.loads(tape.answers[key][-1]["body"])[0]
    own = task["NetworksAttachments"][0]["Addresses"][0]
    service = json.loads(answer["body"])
    service["Endpoint"]["VirtualIPs"][0]["Addr"] = own
    answer["body"] = json.dumps(service)
    said = f"Name:\tvip1\nAddress: {own.split('/')[0]}\n"
    for asked in [k for k in tape.answers if re.search(r"^4\|.* nslookup vip1 ", k)]:
        tape.answers[asked] = [{**one, "out": said} for one in tape.answers[asked]]


def _one_task(answer: Answer, _: Tape) -> None:
    """Every connection is answered by the task that has answered the first one."""
    first = answer["out"].split("\n")[1]
    answer["out"] = re.sub(r"^\w+$", first, answer["out"], flags=re.MULTILINE)


VIP: list[Broken] = [
    *containers.network("1", "overlay"),
    Broken("no task", "2", "machine1", TASKS, body(stopped), ("2: vip1 has 2",)),
    *containers.runs("3", "machine1", "vipclient1"),
    *(
        Broken(
            f"{name} is another address",
            "4",
            "machine1",
            f"nslookup {name} ",
            text("10.46.3", "10.46.9"),
            (f"4: {name} resolves",),
        )
        for name in ("vip1", "tasks.vip1")
    ),
    Broken(
        "a task has the virtual address",
        "4",
        "machine1",
        SERVICE,
        _address_of_a_task,
        ("4: no task has the virtual address",),
    ),
    Broken(
        "the ping goes to another address",
        "5",
        "machine1",
        "ping .* vip1$",
        text("10.46.3", "10.46.9"),
        ("5: the name vip1 resolves",),
    ),
    Broken(
        "one ping is lost",
        "5",
        "machine1",
        "ping .* vip1$",
        text("3 packets received", "2 packets received"),
        ("5: replies arrive from vip1",),
    ),
    *(
        Broken(
            f"the ping is seen on {machine}",
            "5",
            machine,
            CAPTURE,
            _ping_leaves,
            ("5: no ping is seen",),
        )
        for machine in ("machine1", "machine2")
    ),
    Broken("nothing was asked", "6", "machine1", "nc -w 5 vip1", failing(""), ("6: error",)),
    Broken(
        "one task answers", "6", "machine1", "nc -w 5 vip1", _one_task, ("6: of 6 connections",)
    ),
    Broken(
        "nobody answers",
        "6",
        "machine1",
        "nc -w 5 vip1",
        output(NOBODY * 6),
        ("6: of 6 connections",),
    ),
    containers.stays("7", "machine1", "vipclient1", "3"),
    two_tasks.container_stays("8", "machine1", "vip1"),
    containers.network_stays("9", "machine1", "vipnet1", "1"),
    containers.left("vipclient1"),
]


# -- publish --------------------------------------------------------------------------------------

_HERE, _THERE = r"192\.168\.56\.11", r"192\.168\.56\.12"


def _another_task(answer: Answer, _: Tape) -> None:
    """Another task than the service's answers."""
    answer["out"] = re.sub(r"^@\n\w+$", "@\nabcdefabcdef", answer["out"], flags=re.MULTILINE)


def _client(address: str) -> Edit:
    """The task has seen another client. Its connection is the one that the client has closed."""
    written = bytes(map(int, address.split(".")))[::-1].hex().upper()

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"] = re.sub(r"[0-9A-F]{8}(?=:\w{4} 08 )", written, answer["out"])

    return edit


def _asked(step: str, machine: str, what: str, edit: Edit, *fails: str) -> Broken:
    """The client is answered otherwise when it asks a machine at a published port."""
    port = {"3": 8146, "5": 8147}[step]
    expected = tuple(f"{step}: {one}" for one in fails)
    return Broken(what, step, "machine1", f"nc -w 5 {machine} {port}", edit, expected)


PUBLISH: list[Broken] = [
    *two_tasks.service("1", "mesh1"),
    *containers.runs("2", "machine1", "pubclient1"),
    *(
        world
        for address, name in ((_HERE, "machine1"), (_THERE, "machine2"))
        for world in (
            _asked(
                "3", address, f"another task answers at {name}", _another_task, f"{name} answers"
            ),
            _asked(
                "3",
                address,
                f"the task sees the client that asks {name}",
                _client("192.168.56.11"),
                f"asked by {name}, the task sees",
            ),
            _asked(
                "3",
                address,
                f"{name} does not answer",
                output(NOBODY),
                f"{name} answers",
                f"asked by {name}, the task sees",
            ),
        )
    ),
    _asked("3", _HERE, "nothing was asked", failing(""), "error"),
    *two_tasks.service("4", "direct1"),
    _asked("5", _THERE, "another task answers", _another_task, "machine2 answers"),
    _asked("5", _THERE, "another client", _client("10.0.0.2"), "the task sees the client's own"),
    _asked(
        "5",
        _THERE,
        "the task's node does not answer",
        output(NOBODY),
        "machine2 answers",
        "the task sees the client's own",
    ),
    _asked("5", _HERE, "the other answers", output("@\nabcdefabcdef\n"), "machine1, which has no"),
    _asked("5", _HERE, "the other is not asked", failing(""), "error"),
    containers.stays("6", "machine1", "pubclient1", "2"),
    two_tasks.container_stays("7", "machine2", "direct1"),
    containers.left("pubclient1"),
]


# -- networks -------------------------------------------------------------------------------------


def _elsewhere_in(network: str) -> Edit:
    """The container has an address outside one of its networks."""

    def change(container: Any) -> Any:
        container["NetworkSettings"]["Networks"][network]["IPAddress"] = "10.9.9.9"
        return container

    return body(change)


def _side(service: str, network: str, begins: str) -> list[Broken]:
    """What a service at one side, in one network, is to the one in both."""
    addresses = rf"{re.escape(begins)}\S+"
    return [
        Broken(
            f"another address for {service}",
            "7",
            "machine1",
            rf"exec {service}\S+ nslookup",
            text(begins, "10.9.9."),
            (f"7: in {service} the name",),
        ),
        containers.silent("7", "machine1", addresses, rf"app1\S+ answers {service}"),
        containers.silent("7", "machine2", addresses, rf"{service}\S+ answers app1"),
        two_tasks.other_bytes("7", "machine1", begins),
        Broken(
            f"an address outside {network}",
            "6",
            "machine2",
            CONTAINER,
            _elsewhere_in(network),
            (f"6: app1 has an address in {network}",),
        ),
        failures.network_stays("10", network, {"web1": "1", "store1": "2"}[service]),
    ]


NETWORKS: list[Broken] = [
    *containers.network("1", "overlay"),
    *containers.network("2", "overlay"),
    *two_tasks.service("3", "web1"),
    *two_tasks.service("4", "store1"),
    *two_tasks.service("5", "app1"),
    *_side("web1", "frontnet1", "10.46.5."),
    *_side("store1", "backnet1", "10.46.6."),
    containers.answering("8", "machine1", "store1", r"8: in web1\S+ the name store1"),
    containers.not_asked("8", "machine1", "store1"),
    containers.not_sent("8", "machine1", r"10\.46\S+", "8: store1 does not answer"),
    Broken(
        "the other side answers",
        "8",
        "machine1",
        r"ping .* 10\.46\S+$",
        text("0 packets received, 100%", "3 packets received, 0%"),
        ("8: store1 does not answer",),
    ),
    two_tasks.container_stays("9", "machine1", "web1"),
    container_left("web1"),
]
