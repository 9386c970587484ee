"""Runs a scenario: acts, judges, cleans up whatever happens, and keeps the record as it goes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker.errors
import requests

from provision.changes import journal
from provision.changes.change import Change
from provision.lab.model import AUTO_PLUGIN, Lab
from provision.machine.machine import Machine
from provision.plugins.facts import FORK
from provision.plugins.privileges import Privilege
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic
from provision.support.parallel import run_on_all
from scenarios.kit import cleanup, driver
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.step import Context, Step, StepFailed
from scenarios.record import model

_TROUBLE = (StepFailed, MachineError, docker.errors.DockerException, requests.RequestException)


# A name in single braces; the double ones of a Go template (`--format {{.Name}}`) stay.
_NAME = re.compile(r"(?<!\{)\{([a-z][a-z0-9]*)\}(?!\})")


def fill(command: str, names: dict[str, str]) -> str:
    """A command with its `{names}` filled in; `<name>` for one that no step has remembered."""
    return _NAME.sub(lambda found: names.get(found[1], f"<{found[1]}>"), command)


def dry_run(scenario: Scenario, lab: Lab, tell: Callable[[str], None]) -> None:
    """Tell every step with its command, and touch no machine."""
    names = {machine.name: machine.name for machine in lab.machines}
    reference = lab.weave.reference if lab.weave else AUTO_PLUGIN
    names["plugin"] = f"{FORK}<arch>" if reference == AUTO_PLUGIN else reference
    for plan in scenario.steps:
        tell(f"{plan.number:>3}. {plan.title}  [{', '.join(plan.on)}]")
        if plan.why:
            tell(f"     {plan.why}")
        if plan.run:
            tell(f"     $ {fill(plan.run, names)}")
        elif plan.book:
            for line in plan.book.splitlines():
                tell(f"     as in the book: {line}")


def run(
    scenario: Scenario,
    lab: Lab,
    machines: dict[str, Machine],
    image: str,
    provider: str,
    notes: list[str],
    versions: dict[str, str],
    folder: Path,
    tell: Callable[[str], None],
    before_step: Callable[[StepPlan], None] | None = None,
    grants: frozenset[Privilege] = frozenset(),
) -> model.Record:
    """Run every step of a scenario on a lab that is up; its record, whatever came of it.

    A failed expectation fails its step and the run goes on; a step whose `needs` did not pass is
    skipped. What the scenario has made is removed at the end, after an error or Ctrl-C too, and
    that is verified. After each step the record is written to `folder`/report.json, so that an
    end in the middle loses nothing. Raises UserError when the lab has too few machines, or a
    plugin asks for privileges that the exercise does not list and `grants` does not name.
    """
    if len(machines) < scenario.machines:
        raise UserError(
            f"Scenario {scenario.name} needs {scenario.machines} machines; lab {lab.name} has "
            f"{len(machines)}."
        )
    ordered = sorted(machines.values(), key=lambda machine: machine.plan.role != "manager")
    by_place = {f"machine{number}": machine for number, machine in enumerate(ordered, start=1)}
    plugin, done = None, journal.of_lab(lab)
    if scenario.driver:
        plugin = driver.prepare(scenario.driver, lab, ordered, grants, done)
    begin = time.monotonic()
    infos = run_on_all("asking the engine", ordered, lambda machine: machine.docker.info())
    api = run_on_all(
        "asking the engine", ordered, lambda machine: str(machine.docker.version()["ApiVersion"])
    )
    result = model.Record(
        scenario=scenario.name,
        exercise=scenario.exercise,
        title=scenario.title,
        summary=scenario.summary,
        lab=lab.name,
        provider=provider,
        image=image,
        notes=notes,
        versions=versions,
        started=_now(),
        seconds=0,
        verdict="interrupted",
        topology=model.Topology(
            hosts=[_host(machine, infos[machine.name], api[machine.name]) for machine in ordered]
        ),
        steps=[],
    )
    context = Context(
        machines={place: by_place[place] for place in list(by_place)[: scenario.machines]},
        manager=ordered[0],
        folder=folder,
        names={
            "image": image,
            **{f"host{n}": infos[m.name]["Name"] for n, m in enumerate(ordered, start=1)},
            **({"plugin": plugin.reference} if plugin else {}),
        },
        tell=tell,
        topology=result.topology,
        image=image,
        plugin=plugin,
    )

    def keep() -> None:
        result.seconds = round(time.monotonic() - begin, 3)
        write_atomic(folder / "report.json", result.model_dump_json(indent=2) + "\n")

    used = context.machines.values()
    try:
        # An earlier run that was killed may have left its services and networks behind.
        if scenario.restore:
            scenario.restore(ordered)
        for left in cleanup.leftovers(scenario, ordered):
            tell(f"removing what an earlier run left: {left}")
        cleanup.clean(scenario, ordered)
        _write_down(scenario, ordered[0], done)
        states: dict[str, str] = {}
        for plan in scenario.steps:
            if before_step:
                before_step(plan)
            step = _run_step(plan, context, [by_place[place] for place in plan.on], states)
            states[plan.number] = step.state
            result.steps.append(step)
            keep()
            tell(_told(step))
        result.verdict = _verdict(result)
    except KeyboardInterrupt:
        tell("interrupted; cleaning up")
    finally:
        result.steps.append(_clean(scenario, list(used), ordered, plugin, done))
        if result.verdict != "interrupted":
            result.verdict = _verdict(result)
        keep()
    return result


def _run_step(
    plan: StepPlan, context: Context, machines: list[Machine], states: dict[str, str]
) -> model.Step:
    data = model.Step(
        number=plan.number,
        title=plan.title,
        why=plan.why,
        machines=[machine.name for machine in machines],
        book=plan.book,
        state="passed",
        started=_now(),
    )
    missing = [number for number in plan.needs if states.get(number) not in {"passed", "failed"}]
    if missing:
        data.state = "skipped"
        data.reason = f"it needs step {', '.join(missing)}, which could not be done"
        return data
    begin = time.monotonic()
    step = Step(context, data, machines)
    try:
        command = fill(plan.run, context.names)
        if plan.service:
            step.run_service(command, plan.service)
        elif command:
            for machine in machines:
                step.run(command, on=machine)
        plan.body(step)
    except _TROUBLE as error:
        data.state = "error"
        data.reason = str(error)
    if any(not expectation.passed for expectation in data.expectations):
        data.state = "failed" if data.state == "passed" else data.state
    data.seconds = round(time.monotonic() - begin, 3)
    return data


def _clean(
    scenario: Scenario,
    used: list[Machine],
    machines: list[Machine],
    plugin: driver.Use | None,
    done: journal.Journal,
) -> model.Step:
    """Remove what is left of the scenario and verify; a step of its own in the record."""
    data = model.Step(
        number="0",
        title="Clean up, and see that nothing is left",
        why="A lab that a scenario leaves as it found it gives the same result again.",
        machines=[machine.name for machine in used],
        state="passed",
        started=_now(),
    )
    begin = time.monotonic()
    left: list[str] = []
    try:
        if scenario.restore:
            scenario.restore(machines)
        cleanup.clean(scenario, machines)
        left = cleanup.leftovers(scenario, machines)
        if not left:
            done.strike_out(machines[0].name, "scenario", _made(scenario))
        if plugin:
            cleanup.clean_plugin(plugin)
            behind = cleanup.plugin_leftovers(plugin)
            left += behind
            if not behind:
                plugin.release()
    except _TROUBLE as error:
        data.state, data.reason = "error", str(error)
    else:
        data.state = "failed" if left else "passed"
        data.expectations.append(
            model.Expectation(
                what="no service, container or network of this scenario on any node"
                + ("; no plugin, and nothing that it has made" if plugin else ""),
                expected=[],
                seen=left,
                passed=not left,
                source="Engine API",
            )
        )
    data.seconds = round(time.monotonic() - begin, 3)
    return data


def _made(scenario: Scenario) -> tuple[str, ...]:
    services = tuple(f"service {name}" for name in scenario.services)
    return services + tuple(f"network {name}" for name in scenario.networks)


def _write_down(scenario: Scenario, manager: Machine, done: journal.Journal) -> None:
    """For `destroy`, should this run be killed: the swarm may go on where the lab has only joined.

    What an earlier run has written down is gone by now.
    """
    done.strike_out(manager.name, "scenario", _made(scenario))
    what = f"run scenario {scenario.name}"
    done.begin(Change(manager.name, "scenario", what, _made(scenario)))


def _verdict(result: model.Record) -> model.Verdict:
    states = {step.state for step in result.steps}
    if "error" in states:
        return "error"
    return "failed" if states & {"failed", "skipped"} else "passed"


def _told(step: model.Step) -> str:
    marks = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}
    lines = [f"{marks[step.state]} {step.number:>3}. {step.title}"]
    lines += [
        f"       expected {e.what}: {e.expected!r}; seen: {e.seen!r}"
        for e in step.expectations
        if not e.passed
    ]
    if step.reason:
        lines.append(f"       {step.reason}")
    return "\n".join(lines)


def _host(machine: Machine, info: dict[str, Any], api: str) -> model.Host:
    return model.Host(
        name=machine.name,
        role=machine.plan.role,
        address=machine.address,
        engine=str(info.get("ServerVersion", "")),
        api=api,
        system=str(info.get("OperatingSystem", "")),
        kernel=str(info.get("KernelVersion", "")),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
