"""What a manager says of the swarm's nodes and tasks, and the patience to wait for its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import docker.errors
import requests

from provision.machine.machine import Machine
from provision.support.wait import wait_until
from scenarios.kit.services import tasks_of
from scenarios.kit.step import Step

UNANSWERED = (docker.errors.APIError, requests.RequestException)
Node = dict[str, Any]
Task = dict[str, Any]
T = TypeVar("T")


def nodes(machine: Machine) -> list[Node]:
    """The swarm's nodes, as a manager has them."""
    return [dict(node.attrs) for node in machine.docker.nodes.list()]


def leaders(there: Iterable[Node]) -> list[str]:
    """The IDs of the nodes that lead: of a swarm that is well, one."""
    return [str(node["ID"]) for node in there if _as_manager(node).get("Leader")]


def reachable(there: Iterable[Node]) -> list[str]:
    """The IDs of the managers that the others reach."""
    return [
        str(node["ID"]) for node in there if _as_manager(node).get("Reachability") == "reachable"
    ]


def _as_manager(node: Node) -> dict[str, Any]:
    return node.get("ManagerStatus") or {}


def wanted_tasks(step: Step, service: str) -> list[Task]:
    """The tasks of a service that are to run and do, as the step's machine has them."""
    return [
        task
        for task in tasks_of(step.machine, step.called(service))
        if task["Status"]["State"] == task["DesiredState"] == "running"
    ]


def patiently(step: Step, look: Callable[[], T], settled: Callable[[T], bool], seconds: float) -> T:
    """What is seen once it is settled, or last. While managers elect, none of them answers.

    `seconds` are those of a quick machine.
    """
    return wait_until(look, settled, step.context.patience(seconds), unanswered=UNANSWERED)
