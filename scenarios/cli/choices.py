"""What can be given to the verbs that need a scenario or a report."""

from __future__ import annotations

import os

from provision.lab.load import load_lab
from scenarios.kit import discovery
from scenarios.puzzle.layers import LAYERS, SWARM


def scenarios(_lab_file: str) -> list[tuple[str, str]]:
    """Every scenario with its title."""
    found = discovery.found()
    return [(name, found[name].title) for name in sorted(found)]


def answers(lab_file: str) -> list[tuple[str, str]]:
    """The machines of a lab, and the layers of a puzzle's answer."""
    machines = [(machine.name, machine.role) for machine in load_lab(lab_file).machines]
    return [*machines, (SWARM, "no machine"), ("", ""), *LAYERS.items()]


def reports(lab_file: str) -> list[tuple[str, str]]:
    """The folders of a lab's reports, newest first."""
    folders = sorted(load_lab(lab_file).reports.glob("*/report.json"), reverse=True)
    return [(os.path.relpath(file.parent), "") for file in folders]
