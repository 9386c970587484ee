"""What a step's function works with: the machines, the command's output, and expectations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors

from provision.faults.fault import DEFAULT_SECONDS, Fault
from provision.faults.making import Faults
from provision.machine.machine import Machine, Result
from provision.support.files import write_atomic
from scenarios.evidence import capture, encapsulation
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.ping import (
    NOT_FOUND,
    full_size_command,
    largest_command,
    ping_command,
    read_ping,
)
from scenarios.kit import faulting, late, services
from scenarios.kit.created import Created
from scenarios.kit.driver import Use
from scenarios.kit.failed import StepFailed
from scenarios.kit.holding import Held
from scenarios.kit.timeline import Line, Pair, collected
from scenarios.record import model

__all__ = ["Context", "Step", "StepFailed", "missing"]

COMMAND_LIMIT = 180.0
QUICK = 1.0  # seconds that `docker ps` and the like take on a quick machine, with room to spare
MOST_PATIENCE = 6.0
_ASKING = re.compile(r"docker (info|ps|inspect|(network|node|plugin) ls)\b")


@dataclass
class Context:
    """What the steps of one run share. `folder` is the report's; `names` fill in commands.

    `plugin` is the network driver plugin of a scenario that has one, `data_path_port` the UDP
    port of the swarm's VXLAN. `slowest_command` is the longest time (seconds) that a command took
    which only asks an engine. `created` keeps what the run creates, where others may have things
    of the same names. `called` has what somebody who types the exercise by hand has called its
    services and networks, by the exercise's names; `waits` says whether a judge waits for what a
    step has only begun. `faults` makes faults and lists them; `faults_made` are recorded, and
    `held` has those that outlast their step, by its number. So are `timelines` recorded;
    `collecting` has those that are not yet done.
    """

    machines: dict[str, Machine]
    manager: Machine
    folder: Path
    names: dict[str, str]
    tell: Callable[[str], None]
    topology: model.Topology
    image: str
    plugin: Use | None = None
    data_path_port: int = 4789
    slowest_command: float = 0.0
    created: Created | None = None
    called: dict[str, str] = field(default_factory=dict)
    waits: bool = True
    faults: Faults | None = None
    held: dict[str, Held] = field(default_factory=dict)
    faults_made: list[model.Fault] = field(default_factory=list)
    timelines: list[model.TimeLine] = field(default_factory=list)
    collecting: list[Lanes] = field(default_factory=list)

    def named(self, name: str) -> Machine:
        """The exercise's machine of that name, which the lab gives; by place see `machines`."""
        return next(machine for machine in self.machines.values() if machine.name == name)

    def patience(self, seconds: float) -> float:
        """How long to wait for something that takes a quick machine up to `seconds`.

        It grows with the longest time that any engine has taken to answer a command of this run:
        a slow machine is not a broken one. Zero, a single look, where nobody waits.
        """
        if not self.waits:
            return 0
        return seconds * min(max(self.slowest_command / QUICK, 1.0), MOST_PATIENCE)

    def service_called(self, name: str) -> str:
        """What the exercise's service or network `name` is called on this lab."""
        return self.called.get(name, name)


@dataclass
class Step:
    """One step while it runs.

    `acted` says whether this run does it; otherwise somebody does by hand, it is only judged, and
    no output of its command is known.
    """

    context: Context
    data: model.Step
    machines: list[Machine]
    outputs: dict[str, str] = field(default_factory=dict)
    acted: bool = True

    @property
    def machine(self) -> Machine:
        """The machine that the step acts on (the first one, where it acts on several)."""
        return self.machines[0]

    @property
    def output(self) -> str:
        """What the step's command printed on `machine`, without white space around it."""
        return self.outputs.get(self.machine.name, "").strip()

    @property
    def names(self) -> dict[str, str]:
        """What earlier steps remembered."""
        return self.context.names

    @property
    def plugin(self) -> Use:
        """The network driver plugin of this run. Raises StepFailed in a scenario without one."""
        if self.context.plugin is None:
            raise StepFailed("this scenario has no network driver plugin")
        return self.context.plugin

    def called(self, name: str) -> str:
        """What the exercise's service or network `name` is called on this lab."""
        return self.context.called.get(name, name)

    def remember(self, **names: str) -> None:
        """Names for the commands of later steps: `{task1}` in a command is then this one."""
        self.context.names.update(names)

    # -- acting -------------------------------------------------------------------------------

    def run(
        self, command: str, on: Machine | None = None, must: bool = True, sudo: bool = False
    ) -> Result:
        """Run a command on a machine and record it with its output.

        Raises StepFailed when it fails, unless `must` is False. One that must not fail is repeated
        where the swarm's manager has answered too late.
        """
        machine = on or self.machine

        def once() -> Result:
            created = self.context.created
            if created:
                created.begins(machine, command)
            result = machine.run(command, COMMAND_LIMIT, sudo)
            if created:
                created.ended(command, result)
            self.add(result)
            return result

        if not must:
            return once()
        result, was_done = late.repeated(once, self.context.tell)
        if not (result.ok or was_done):
            raise _failed(result)
        return result

    @contextmanager
    def beside(self, commands: Sequence[str], on: Machine) -> Iterator[None]:
        """Run commands on a machine, one after the other, while the block does something else.

        They are recorded when the block has ended, after what it has run. Raises StepFailed when
        one has failed.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside") as pool:
            running = pool.submit(lambda: [on.run(one, COMMAND_LIMIT) for one in commands])
            yield
            for result in running.result():
                self.add(result)
                if not result.ok:
                    raise _failed(result)

    def run_service(self, command: str, service: str) -> None:
        """Run a command that waits for a service, and watch the service's tasks meanwhile."""
        error, tell = "", self.context.tell

        def once() -> Result:
            nonlocal error
            created = self.context.created
            if created:
                created.begins(self.machine, command)
            said = (lambda text: created.said(command, text)) if created else None
            result, error = services.run_watched(self.machine, command, service, tell, said=said)
            if created:
                created.ended(command, result)
            self.add(result)
            return result

        result, was_done = late.repeated(once, tell)
        if was_done:
            error = services.converges(self.machine, service, tell)
        if error:
            raise StepFailed(f"service {service} does not converge: {error}")
        if not (result.ok or was_done):
            raise _failed(result)

    def add(self, result: Result) -> None:
        """Record a command that has run."""
        self.outputs[result.machine] = result.stdout
        if _ASKING.match(result.command):
            slowest = max(self.context.slowest_command, result.seconds)
            self.context.slowest_command = slowest
        self.data.commands.append(model.Command(**vars(result)))

    @contextmanager
    def fault(self, fault: Fault, seconds: float = DEFAULT_SECONDS) -> Iterator[model.Fault]:
        """Make a fault (`provision.faults.library`), and heal it when the block ends.

        Its machines are named by their places ("machine1", …). It is recorded with its begin and
        end. A timer on the machines heals it after `seconds` in any case. Raises StepFailed where
        the block has taken longer: what was seen then was seen without the fault. Raises
        MachineError with the reason where a machine cannot have it.
        """
        context = self.context
        if context.faults is None or not self.acted:
            raise StepFailed("faults are made in runs only, and this step is only judged")
        places = context.machines
        named = fault.named(lambda name: places[name].name if name in places else name)
        with faulting.recorded(
            context.faults,
            named,
            seconds,
            self.data.number,
            context.collecting,
            len(context.faults_made) + 1,
        ) as record:
            context.faults_made.append(record)
            yield record
        if record.healed == "timer" and not fault.waits:
            raise StepFailed(
                f"fault {fault.kind} healed after {seconds:g} s, before the step was done with it"
            )

    @contextmanager
    def timeline(self, *services: str, pings: Sequence[Pair] = ()) -> Iterator[Line]:
        """Look at engines, nodes and leader while the block runs, and record what changes when.

        The tasks of `services` are looked at as well. `pings` go on meanwhile, each from a task
        whose name was remembered, or from a machine, to an address that was remembered or to a
        machine. Faults that are made in the block are on the line. It is then `step.line`.
        """
        with collected(self.context, self.data.number, services, pings) as line:
            yield line

    @property
    def line(self) -> Line:
        """The time line that this run has collected last. Raises StepFailed without one."""
        if not self.context.timelines:
            raise StepFailed("no time line was collected before this step")
        newest = self.context.timelines[-1]
        places = {place: machine.name for place, machine in self.context.machines.items()}
        return Line(lambda: newest, places)

    def line_of(self, number: int | str) -> Line | None:
        """The time line since the fault of a step was made; None where this run has made none."""
        held = self.context.held.get(str(number))
        return held.line if held else None

    # -- judging ------------------------------------------------------------------------------

    def expect(
        self,
        what: str,
        *,
        expected: Any,
        seen: Any,
        passed: bool | None = None,
        source: str = "Engine API",
        proves: str = "",
        machine: Machine | None = None,
        layer: model.Layer = "",
    ) -> bool:
        """Record what had to be seen and what was seen. Returns whether it passed.

        Without `passed` the two are compared. Something that is missing on both sides is not
        equal: an expected None, "" or a collection that holds one of them never passes. (An empty
        list does: nothing may be left.)
        """
        ok = (not missing(expected) and expected == seen) if passed is None else passed
        self.data.expectations.append(
            model.Expectation(
                what=what,
                expected=expected,
                seen=seen,
                passed=ok,
                source=source,
                machine=(machine or self.machine).name,
                proves=proves,
                layer=layer,
            )
        )
        return ok

    def skip(
        self,
        what: str,
        why: str,
        *,
        expected: Any,
        seen: Any,
        source: str = "Engine API",
        proves: str = "",
        layer: model.Layer = "",
    ) -> None:
        """Record an expectation that no network could meet here, and why: the kernel lacks it.

        It neither passes nor fails. `why` comes from `scenarios.checks.kernel`, which asks the
        machine. Raises ValueError without a reason.
        """
        if not why:
            raise ValueError(f"skipped without a reason: {what}")
        self.data.expectations.append(
            model.Expectation(
                what=what,
                expected=expected,
                seen=seen,
                passed=None,
                source=source,
                machine=self.machine.name,
                proves=proves,
                layer=layer,
                skipped=why,
            )
        )

    def keep(self, title: str, document: Any, machine: Machine | None = None) -> None:
        """Keep an inspect document (anything JSON can hold) beside the report, under raw/."""
        on = machine or self.machine
        file = self.file(title, on, "json")
        write_atomic(
            self.context.folder / file, json.dumps(document, indent=2, sort_keys=True) + "\n"
        )
        self.data.documents.append(model.Document(title=title, machine=on.name, file=file))

    def file(self, title: str, machine: Machine, ending: str) -> str:
        """A path under raw/ that tells step, machine and what it is."""
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        # "8b" sorts between "08a" and "09", as it was run.
        number = self.data.number.zfill(2 + sum(map(str.isalpha, self.data.number)))
        return f"raw/{number}-{machine.name}-{slug}.{ending}"

    def ping(self, container: str, target: str, kind: str, wait: int = 4) -> model.Ping:
        """Ping from inside a container on this step's machine; the output is kept under raw/.

        `wait` is how long (seconds) the last answer is waited for.
        """
        result = self.run(ping_command(container, target, wait=wait), must=False)
        ping = read_ping(result, container, target, kind)
        self._keep_ping(ping, result, f"ping {target}")
        return ping

    def full_size_ping(self, container: str, target: str, size: int) -> model.Ping:
        """Ping with IP packets of `size` bytes that must not be fragmented, as `ping` otherwise.

        It is the machine's own ping, in the container's network namespace: busybox has no option
        for it. Where none of `size` is answered, the largest one that is gets looked for.
        """
        result = self.run(full_size_command(container, target, size), must=False, sudo=True)
        if result.exit_code == NOT_FOUND:
            # Without the machine's ping: one of the container, which the kernel does not fragment.
            result = self.run(ping_command(container, target, size=size), must=False)
        ping = read_ping(result, container, target, "full-size")
        ping.size = size
        if not ping.received:
            search = self.run(largest_command(container, target, size), must=False, sudo=True)
            ping.largest = int(search.stdout) if search.stdout.strip().isdigit() else None
        self._keep_ping(ping, result, f"full-size ping {target}")
        return ping

    def _keep_ping(self, ping: model.Ping, result: Result, title: str) -> None:
        file = self.file(title, self.machine, "txt")
        write_atomic(self.context.folder / file, result.stdout + result.stderr)
        self.data.documents.append(
            model.Document(title=title, machine=self.machine.name, file=file)
        )
        self.data.pings.append(ping)

    @contextmanager
    def capturing(
        self,
        how: encapsulation.Encapsulation,
        vni: int | None = None,
        between: Sequence[str] = (),
    ) -> Iterator[list[model.Capture]]:
        """Capture on the underlay of all machines of the run while the block runs.

        Only what the run's first two machines send each other is captured (or what has the
        addresses `between` on it, where containers have addresses of the underlay), and of it only
        the network with that `vni`, where one is given. The list is filled when the block has
        ended; each pcap is kept under raw/.
        """
        captures: list[model.Capture] = []
        machines = list(self.context.machines.values())
        how = how.narrowed(between or [machine.address for machine in machines[:2]], vni)
        with capture.capturing(machines, how) as live:
            yield captures
        for one in live:
            file = self.file("underlay", one.machine, "pcap")
            captures.append(capture.read_capture(one, how, self.context.folder, file))
        self.data.captures += captures

    # -- looking, through the Engine API ------------------------------------------------------

    def network(self, name: str, on: Machine | None = None) -> dict[str, Any]:
        """A network as the machine's engine inspects it; {} where it is not there."""
        machine, name = on or self.machine, self.called(name)
        for network in machine.docker.networks.list(names=[name]):
            if network.name == name:
                # It may go between the list and the look, while a step waits for just that.
                with suppress(docker.errors.NotFound):
                    return dict(machine.docker.api.inspect_network(str(network.id)))
        return {}

    def containers(self, service: str, on: Machine | None = None) -> list[dict[str, Any]]:
        """The running containers of a service on a machine, as its engine inspects them."""
        machine = on or self.machine
        label = f"com.docker.swarm.service.name={self.called(service)}"
        # Without ignore_removed a container that goes between the list and the look is an error.
        found = machine.docker.containers.list(
            filters={"label": label, "status": "running"}, ignore_removed=True
        )
        return [dict(container.attrs) for container in found]

    def container(self, name: str, on: Machine | None = None) -> dict[str, Any]:
        """A container as the machine's engine inspects it; {} where it is not there."""
        with suppress(docker.errors.NotFound):
            return dict((on or self.machine).docker.containers.get(name).attrs)
        return {}

    def running_tasks(self, service: str) -> list[dict[str, Any]]:
        """The tasks of a service that run, as the manager's swarm has them."""
        return [
            task
            for task in services.tasks_of(self.context.manager, self.called(service))
            if task["Status"]["State"] == "running"
        ]


def _failed(result: Result) -> StepFailed:
    return StepFailed(f"{result.machine}: `{result.command}`: {result.last_words}")


def missing(expected: Any) -> bool:
    """Whether a value is missing, or is a collection that holds a missing one."""
    if isinstance(expected, dict):
        return any(map(missing, expected.values()))
    if isinstance(expected, (list, tuple, set, frozenset)):
        return any(map(missing, expected))
    return expected is None or expected == ""
