"""A run of a scenario recorded from real machines, and played again without any.

What passes between a scenario and its machines is kept by step, machine and request: answers of the
Engine API, commands, and streams (captures). Played again, a request that comes once more than it
was recorded gets its last answer, as a state that has settled would give it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import platform
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import docker
import requests
from requests.adapters import BaseAdapter

from provision.lab.model import MachineSpec
from provision.machine import docker_api
from provision.machine.machine import Machine, Result
from provision.support.files import write_atomic
from scenarios.kit import runner
from scenarios.kit.scenario import StepPlan
from scenarios.kit.step import Context
from scenarios.kit.timeline import Line
from scenarios.record import model

Answer = dict[str, Any]

# The kernel of the machine that recorded is nobody's business, and no judgement's either.
_KERNEL = "6.1.0-light-host"
_NEVER: Answer = {"out": "", "err": "not recorded", "code": 1}
_FAULT = "0a1b2c3d"  # the id of every fault: it stands in what is asked of the machines
_TIME_LINE = "time line"
_CLEANING = "0"  # the number of the step that cleans up, in every scenario


class Tape:
    """Answers by request, in the order in which they came.

    Within a step they are kept apart by how many of the machine's commands had ended when they
    came: a question is asked again while a command runs, and its answer after that is another one.
    """

    def __init__(self, answers: dict[str, list[Answer]] | None = None) -> None:
        self.answers = answers or {}
        self._step = ""
        self._ended: dict[str, int] = {}
        self._played: dict[str, int] = {}
        self._lock = threading.Lock()

    def enter(self, step: str) -> None:
        """A step begins."""
        self._step, self._ended = step, {}

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[StepPlan], None]]:
        """What a run has to call before each of its steps; the clean-up is entered by itself."""
        clean = runner._clean

        def cleaning(*given: Any) -> Any:
            self.enter(_CLEANING)
            return clean(*given)

        with (
            mock.patch.object(runner, "_clean", cleaning),
            mock.patch("provision.faults.making.secrets.token_hex", return_value=_FAULT),
        ):
            yield lambda plan: self.enter(plan.number)

    def keep_lines(self, record: model.Record) -> None:
        """Keep the time lines of a run: what is on them was asked over other connections."""
        for line in record.timelines:
            self.answers[f"{line.step}|0||{_TIME_LINE}"] = [line.model_dump(mode="json")]

    @contextlib.contextmanager
    def collected(self, context: Context, step: str, *_: Any) -> Iterator[Line]:
        """The time line of a step as it was kept, in place of one that is collected."""
        kept = model.TimeLine.model_validate(self.answers[f"{step}|0||{_TIME_LINE}"][-1])
        places = {place: machine.name for place, machine in context.machines.items()}
        context.timelines.append(kept)
        yield Line(lambda: kept, places)

    def ended(self, machine: str) -> None:
        """A command of the step has ended."""
        with self._lock:
            self._ended[machine] = self._ended.get(machine, 0) + 1

    def _key(self, machine: str, request: str, ended: int) -> str:
        return f"{self._step}|{ended}|{machine}|{request}"

    def record(self, machine: str, request: str, answer: Answer) -> None:
        with self._lock:
            key = self._key(machine, request, self._ended.get(machine, 0))
            self.answers.setdefault(key, []).append(answer)

    def play(self, machine: str, request: str) -> Answer:
        """The next answer to a request; of one that this step never made, the last one before.

        Raises KeyError for a request that was never made.
        """
        with self._lock:
            last = self._ended.get(machine, 0)
            mine = [self._key(machine, request, ended) for ended in range(last, -1, -1)]
            key = next((key for key in mine if key in self.answers), "")
            if not key:
                whole = f"|{machine}|{request}"
                earlier = [key for key in self.answers if key.endswith(whole)]
                if not earlier:
                    raise KeyError(request)
                return self.answers[earlier[-1]][-1]
            return self._next(key, self.answers[key])

    def _next(self, key: str, kept: list[Answer]) -> Answer:
        at = self._played.get(key, 0)
        self._played[key] = at + 1
        return kept[min(at, len(kept) - 1)]

    def stream(self, machine: str, request: str) -> Answer:
        """The next answer to a stream, which is recorded when it ends: other commands may have
        ended meanwhile. Raises KeyError for one that the step never had."""
        whole = f"|{machine}|{request}"
        ends = [k for k in self.answers if k.startswith(f"{self._step}|") and k.endswith(whole)]
        if not ends:
            raise KeyError(request)
        ends.sort(key=lambda key: int(key.split("|")[1]))
        return self._next(
            f"{self._step}{whole}", [one for key in ends for one in self.answers[key]]
        )

    def write(self, path: Path, **more: Any) -> Path:
        """Keep the tape: each answer once, however often it came."""
        pool: dict[str, int] = {}
        found = {
            key: [
                pool.setdefault(json.dumps(answer, sort_keys=True), len(pool)) for answer in answers
            ]
            for key, answers in sorted(self.answers.items())
        }
        document = {**more, "requests": found, "answers": [json.loads(text) for text in pool]}
        return write_atomic(path, json.dumps(document, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, document: dict[str, Any]) -> Tape:
        answers = document["answers"]
        return cls({key: [answers[n] for n in at] for key, at in document["requests"].items()})


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text)


# -- recording ----------------------------------------------------------------------------------


class _Recorded:
    """A machine whose answers go to a tape as well."""

    def __init__(self, machine: Machine, tape: Tape) -> None:
        self._machine = machine
        self._tape = tape
        self._send = machine.docker.api.send
        machine.docker.api.send = self._recorded_send  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def _recorded_send(
        self, request: requests.PreparedRequest, **settings: Any
    ) -> requests.Response:
        what = f"{request.method} {request.path_url}"
        try:
            answer = self._send(request, **settings)
        except requests.RequestException as error:
            self._tape.record(self._machine.name, what, {"unanswered": type(error).__name__})
            raise
        kept = {"status": answer.status_code, "type": answer.headers.get("Content-Type", "")}
        body = answer.text.replace(platform.release(), _KERNEL)
        self._tape.record(self._machine.name, what, {**kept, "body": body})
        # The run sees what is kept: its record is compared with that of the tape.
        answer._content = body.encode()
        return answer

    def run(self, command: str, timeout: float | None = 120, sudo: bool = False) -> Result:
        return self._ran(self._machine.run(command, timeout, sudo))

    def feed(
        self, command: str, source: Path | bytes, timeout: float = 600, sudo: bool = False
    ) -> Result:
        return self._ran(self._machine.feed(command, source, timeout, sudo))

    def _ran(self, result: Result) -> Result:
        kept = {"out": result.stdout, "err": result.stderr, "code": result.exit_code}
        self._tape.record(self._machine.name, result.command, kept)
        self._tape.ended(self._machine.name)
        return result

    def run_checked(self, command: str, timeout: float | None = 120, sudo: bool = False) -> str:
        return Machine.run_checked(cast("Machine", self), command, timeout, sudo)

    @contextlib.contextmanager
    def stream(self, command: str) -> Iterator[Any]:
        with self._machine.stream(command) as channel:
            heard = _Heard(channel)
            yield heard
        kept = {"out": _packed(bytes(heard.out)), "err": _packed(bytes(heard.err))}
        self._tape.record(self._machine.name, f"stream {command}", {**kept, "code": heard.code})
        self._tape.ended(self._machine.name)


class _Heard:
    """A channel that remembers what it was asked for."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.out, self.err = bytearray(), bytearray()
        self.code: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def recv(self, size: int) -> bytes:
        data: bytes = self._channel.recv(size)
        self.out += data
        return data

    def recv_stderr(self, size: int) -> bytes:
        data: bytes = self._channel.recv_stderr(size)
        self.err += data
        return data

    def recv_exit_status(self) -> int:
        self.code = self._channel.recv_exit_status()
        return cast("int", self.code)


def recorded(machine: Machine, tape: Tape) -> Machine:
    return cast("Machine", _Recorded(machine, tape))


# -- playing ------------------------------------------------------------------------------------


class _Engine(BaseAdapter):
    """An HTTP transport whose answers come from a tape."""

    def __init__(self, machine: str, tape: Tape) -> None:
        super().__init__()
        self._machine, self._tape = machine, tape

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        kept = self._tape.play(self._machine, f"{request.method} {request.path_url}")
        if "unanswered" in kept:
            raise requests.ConnectionError(kept["unanswered"])
        answer = requests.Response()
        answer.status_code = kept["status"]
        answer.headers["Content-Type"] = kept["type"]
        answer._content = kept["body"].encode()
        answer.request, answer.url = request, str(request.url)
        return answer

    def close(self) -> None:
        return


class _Played:
    """A machine that is a tape."""

    is_root = False  # as the logins of the machines that the tapes are recorded on

    def __init__(self, plan: MachineSpec, tape: Tape, api: str) -> None:
        self.plan, self.name, self.address = plan, plan.name, plan.address
        self._tape = tape
        self.docker = docker.DockerClient(base_url="http://localhost:1", version=api)
        client: Any = self.docker.api
        client.mount(docker_api.URL, _Engine(plan.name, tape))
        client.base_url = docker_api.URL

    def connect(self, patience: float | None = None) -> None:
        return

    def as_root(self, command: str) -> str:
        return Machine.as_root(cast("Machine", self), command)

    def run(self, command: str, timeout: float | None = 120, sudo: bool = False) -> Result:
        try:
            kept = self._tape.play(self.name, command)
        except KeyError:
            # Asked for in a broken world alone: there it fails, too.
            kept = _NEVER
        self._tape.ended(self.name)
        return Result(
            self.name, command, kept["out"], kept["err"], kept["code"], "2026-01-01T00:00:00Z", 0.1
        )

    def feed(
        self, command: str, source: Path | bytes, timeout: float = 600, sudo: bool = False
    ) -> Result:
        return self.run(command, timeout, sudo)

    def run_checked(self, command: str, timeout: float | None = 120, sudo: bool = False) -> str:
        return Machine.run_checked(cast("Machine", self), command, timeout, sudo)

    @contextlib.contextmanager
    def stream(self, command: str) -> Iterator[Any]:
        try:
            kept = self._tape.stream(self.name, f"stream {command}")
        except KeyError:
            kept = {**_NEVER, "err": _packed(str(_NEVER["err"]).encode())}
        yield _Channel(_unpacked(kept["out"]), _unpacked(kept["err"]), kept["code"])
        self._tape.ended(self.name)


class _Channel:
    """A channel that has ended: what came of it can be read."""

    def __init__(self, out: bytes, err: bytes, code: int | None) -> None:
        self._out, self._err, self._code = out, err, code
        self.status_event = SimpleNamespace(wait=lambda _=None: True)

    def recv(self, size: int) -> bytes:
        data, self._out = self._out[:size], self._out[size:]
        return data

    def recv_stderr(self, size: int) -> bytes:
        data, self._err = self._err[:size], self._err[size:]
        return data

    def recv_ready(self) -> bool:
        return bool(self._out)

    def recv_stderr_ready(self) -> bool:
        return bool(self._err)

    def exit_status_ready(self) -> bool:
        return True

    def recv_exit_status(self) -> int:
        return self._code or 0

    def shutdown_write(self) -> None:
        return

    def settimeout(self, _: float) -> None:
        return


def played(plan: MachineSpec, tape: Tape, api: str) -> Machine:
    """A machine that answers from the tape; `api` is the Engine API version of its requests."""
    return cast("Machine", _Played(plan, tape, api))
