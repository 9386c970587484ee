"""The verbs about this host: doctor, render, box."""

from __future__ import annotations

from rich.console import Console

from provision.diagnostics import doctor as doctors
from provision.lab import load
from provision.providers.boxes import build, recipe
from provision.providers.vagrant import plan, provider, template
from provision.support.errors import MachineError
from provision.support.progress import Progress


def doctor(lab_file: str) -> None:
    """Show what this host can run. Raises MachineError if something needed is missing."""
    console = Console(highlight=False)
    marks = {"ok": "✓", "absent": "·", "warning": "!", "missing": "✗"}
    findings = doctors.examine(load.load_lab(lab_file))
    for finding in findings:
        console.print(f"{marks[finding.state]} {finding.what}", markup=False, soft_wrap=True)
        if finding.advice:
            console.print(f"    {finding.advice}", markup=False, soft_wrap=True)
    if any(finding.state == "missing" for finding in findings):
        raise MachineError("This host cannot run the lab yet.", "See the lines with ✗ above.")


def render(lab_file: str) -> None:
    """Print the Vagrantfile as `up` would write it, or as it was written."""
    lab = load.load_lab(lab_file)
    there = provider.VagrantProvider.from_state(lab)
    chosen = there.plan if there else plan.plan(lab, Progress())
    Console().file.write(template.render(lab, chosen))


def box(docker: bool, suite: str = "") -> None:
    """Build the box of a suite, or show the existing one. Raises UserError for an unknown suite."""
    made = build.build(recipe.of_suite(suite or recipe.SUITE, docker), log=Progress().say)
    Progress().say(f"{made.name} {made.version}: {made.path}")
