"""Whether two runs gave the same result: their records are normalized and compared.

Not compared: how long things took, which choices were explained (notes), packets other than ICMP in
captures (ARP requests depend on caches), and time lines: a short state is seen in one run alone.
"""

from __future__ import annotations

import difflib

from scenarios.record.model import Capture, Expectation, Record, Step
from scenarios.record.normalize import Normalizer


def difference(first: Record, second: Record, names: tuple[str, str] = ("first", "second")) -> str:
    """A unified diff of the two records after normalization; "" where they are equal."""
    lines = difflib.unified_diff(comparable(first), comparable(second), *names, lineterm="", n=2)
    # A line of context alone does not say to which step it belongs: each names its own.
    return "\n".join(lines)


def comparable(record: Record) -> list[str]:
    """The record as lines in which two runs of the same have no difference."""
    normal = Normalizer(record)
    lines = [
        f"scenario {record.scenario} on lab {record.lab}: {record.verdict}",
        f"provider {record.provider}, image {record.image}",
        *(f"tool {name} {version}" for name, version in sorted(record.versions.items())),
    ]
    lines += [
        f"host {h.name} ({h.role}) at {h.address}: Docker {h.engine}, API {h.api}, {h.system}, "
        f"kernel {h.kernel}"
        for h in record.topology.hosts
    ]
    lines += [
        f"network {n.name}: {n.driver}, {n.scope}, {n.subnet}, gateway {n.gateway}, "
        f"VNI {normal.vni(n.vni)}"
        for n in record.topology.networks
    ]
    lines += [
        normal.text(f"task of {t.service} on {t.machine} in {t.network} at {t.address}")
        for t in record.topology.tasks
    ]
    lines += [
        f"fault in step {one.step}, on {', '.join(one.machines)}: {one.what}; healed by the "
        f"{one.healed or 'run that ended'}"
        for one in record.faults
    ]
    for step in record.steps:
        lines += [f"step {step.number}: {line}" for line in _step(step, normal)]
    return lines


def _step(step: Step, normal: Normalizer) -> list[str]:
    lines = [f"{step.title} [{', '.join(step.machines)}]: {step.state}"]
    if step.reason:
        lines.append(f"because {normal.text(step.reason)}")
    for command in step.commands:
        at = f"{command.machine}$ {normal.text(command.command)}"
        ended = "typed" if command.typed else f"exit code {command.exit_code}"
        lines.append(f"{at}  ({ended})")
        for text, mark in ((command.stdout, "|"), (command.stderr, "!")):
            lines += [f"{command.machine}{mark} {line}" for line in normal.output(text)]
    for expectation in step.expectations:
        lines.append(_expectation(expectation, normal))
    for ping in step.pings:
        target = normal.text(ping.target)
        lines.append(
            f"ping ({ping.kind}) {ping.source_machine} to {target}: "
            f"{ping.received} of {ping.sent} answered"
        )
    for capture in step.captures:
        lines += _capture(capture, normal)
    return lines


def _expectation(expectation: Expectation, normal: Normalizer) -> str:
    """Equal values get equal words within one expectation, so that what matched still does."""
    words: dict[tuple[str, str], str] = {}

    def number(kind: str, value: str) -> str:
        seen = sum(known == kind for known, _ in words)
        return words.setdefault((kind, value), f"<{kind} #{seen + 1}>")

    expected = normal.value(expectation.expected, number)
    seen = normal.value(expectation.seen, number)
    mark = {True: "passed", False: "FAILED", None: "skipped"}[expectation.passed]
    what = normal.text(expectation.what)
    why = f" ({normal.text(expectation.skipped)})" if expectation.skipped else ""
    return f"{expectation.machine} {mark}{why}: {what}: expected {expected}; seen {seen}"


def _capture(capture: Capture, normal: Normalizer) -> list[str]:
    carried = {
        f"{p.encapsulation} VNI {normal.vni(p.vni)} from {p.outer_source} to "
        f"{p.outer_destination} carries {normal.text(p.inner.split(', seq')[0])}"
        for p in capture.counted()
        if p.inner.startswith("ICMP echo")
    }
    return [f"capture on {capture.machine} {capture.interface}: {line}" for line in sorted(carried)]
