"""Ways in which a recorded lab can be other than it should be, as data.

Each changes answers of the tape before the run is judged again, and names the expectations that
have to fail by that, and no other of its step: `fails` are patterns of their beginnings.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.tape import Answer, Tape

Edit = Callable[[Answer, Tape], None]

# What is asked, as patterns: ids and the API's version are the tape's own.
INFO = r"^GET /\S+/info$"
NODES = r"^GET /\S+/nodes\b"
NETWORKS = r"^GET /\S+/networks\?"
NETWORK = r"^GET /\S+/networks/\w+$"
TASKS = r"^GET /\S+/tasks\?"
CONTAINERS = r"^GET /\S+/containers/json\?"
CONTAINER = r"^GET /\S+/containers/\w{64}/json$"
SERVICES = r"^GET /\S+/services$"
SERVICE = r"^GET /\S+/services/"
PLUGIN = r"^GET /\S+/plugins/\S+/json$"
CAPTURE = "^stream sudo"

NO_PING = "PING x (172.45.0.3): 56 data bytes\n3 packets transmitted, 0 packets received\n"


@dataclass(frozen=True)
class Broken:
    """One broken world: `edit` is applied to each answer to a request that matches `request`.

    With `last` to those alone that were given after the last command of the step. `more` are
    answers to requests that only a broken world makes.
    """

    name: str
    step: str
    machine: str
    request: str
    edit: Edit
    fails: tuple[str, ...]
    last: bool = False
    more: dict[str, Answer] = field(default_factory=dict)

    def apply(self, tape: Tape) -> int:
        """Break the tape; how many answers were changed."""
        count = 0
        found = [key for key in tape.answers if self._means(key)]
        last = max((int(key.split("|")[1]) for key in found), default=0)
        for key in found:
            if self.last and int(key.split("|")[1]) != last:
                continue
            answers = [dict(answer) for answer in tape.answers[key]]
            for answer in answers:
                self.edit(answer, tape)
                count += 1
            tape.answers[key] = answers
        for request, answer in self.more.items():
            tape.answers.setdefault(f"{self.step}|0|{self.machine}|{request}", []).append(answer)
        return count

    def _means(self, key: str) -> bool:
        step, _, machine, request = key.split("|", 3)
        here = step == self.step and self.machine in ("", machine)
        return here and bool(re.search(self.request, request))

    def expects(self, what: str) -> bool:
        """Whether it has to fail, as "STEP: WHAT"."""
        return any(re.match(pattern, what) for pattern in self.fails)


def body(change: Callable[[Any], Any]) -> Edit:
    """An edit of an Engine API answer's JSON document; what `change` returns replaces it."""

    def edit(answer: Answer, _: Tape) -> None:
        if answer["status"] == 200:
            answer["body"] = json.dumps(change(json.loads(answer["body"])))

    return edit


def put(value: Any, *path: str | int) -> Edit:
    """One value of a document, wherever it is an object or the objects of a list."""

    def change(document: Any) -> Any:
        for one in document if isinstance(document, list) and path[0] != 0 else [document]:
            at = one
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        return document

    return body(change)


def as_in(step: str, request: str) -> Edit:
    """As it was answered in another step, the last time there."""

    def edit(answer: Answer, tape: Tape) -> None:
        keys = [k for k in tape.answers if k.startswith(f"{step}|")]
        found = [k for k in keys if re.search(request, k.split("|", 3)[3])]
        found.sort(key=lambda key: int(key.split("|")[1]))
        answer["body"] = tape.answers[found[-1]][-1]["body"]

    return edit


def text(old: str, new: str) -> Edit:
    """A command's output with other words in it."""

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"] = answer["out"].replace(old, new)

    return edit


def output(new: str) -> Edit:
    """Another output."""

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"] = new

    return edit


def failing(new: str) -> Edit:
    """Another output, of a command that fails."""

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"], answer["code"] = new, 1

    return edit


def no_packets(answer: Answer, _: Tape) -> None:
    """A capture of which only the file's header is left (24 bytes)."""
    answer["out"] = base64.b64encode(base64.b64decode(answer["out"])[:24]).decode()


def empty(_: Any) -> list[Any]:
    return []


def stays() -> Edit:
    """What was listed once is listed for ever."""
    seen: list[str] = []

    def edit(answer: Answer, _: Tape) -> None:
        if json.loads(answer["body"]):
            seen.append(answer["body"])
        elif seen:
            answer["body"] = seen[-1]

    return edit


# -- what several scenarios are broken by ---------------------------------------------------------


def placed_elsewhere(tasks: Any) -> Any:
    return [{**task, "NodeID": "another"} for task in tasks]


def stopped(tasks: Any) -> Any:
    return [{**task, "Status": {**task["Status"], "State": "shutdown"}} for task in tasks]


def first_only(nodes: Any) -> Any:
    return [node for node in nodes if node.get("ManagerStatus")]


def elsewhere(container: Any) -> Any:
    for settings in container["NetworkSettings"]["Networks"].values():
        settings["IPAddress"] = "10.9.9.9"
    return container


def _json(document: Any) -> Answer:
    return {"status": 200, "type": "application/json", "body": json.dumps(document)}


def container_left(service: str) -> Broken:
    """A container of the service that the run has made is still there after the clean-up."""

    def edit(answer: Answer, tape: Tape) -> None:
        api = next(key for key in tape.answers if "/containers/json?" in key).split("/")[1]
        labels = {"com.docker.swarm.service.id": _id_of(service, tape)}
        left = {"Id": "c" * 64, "Name": f"/{service}.1", "Config": {"Labels": labels}}
        tape.answers[f"0|0|machine2|GET /{api}/containers/{'c' * 64}/json"] = [_json(left)]
        answer["body"] = json.dumps([{"Id": "c" * 64}])

    what = f"{CONTAINERS}.*%3D{service}%22"
    expected = ("0: no service, container or network",)
    return Broken("a container is left", "0", "machine2", what, edit, expected)


def _id_of(service: str, tape: Tape) -> str:
    """The service's id, as `docker service create` printed it first."""
    command = re.compile(f"docker service create .*--name {service} ")
    said = (answers[0]["out"] for key, answers in tape.answers.items() if command.search(key))
    return base64.b64decode(next(said)).split()[0].decode()
