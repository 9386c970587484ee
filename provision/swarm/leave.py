"""Leaving a swarm, and removing what a node leaves behind in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import docker.errors
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from provision.machine.machine import Machine


def remove_entry(leader: Machine, node_id: str) -> None:
    """Remove a node from the swarm's list; a manager is demoted first."""
    with contextlib.suppress(docker.errors.NotFound):
        node = leader.docker.nodes.get(node_id)
        if node.attrs["Spec"]["Role"] == "manager":
            # After a lost quorum it is no member of the raft group any more: then it just goes.
            node.update({**node.attrs["Spec"], "Role": "worker"})
    _retry_conflict(lambda: leader.docker.api.remove_node(node_id, force=True))


def _retry_conflict(work: Callable[[], object]) -> None:
    """A demotion takes a moment to arrive; until then the removal is refused."""
    for attempt in Retrying(
        stop=stop_after_delay(30),
        wait=wait_fixed(0.5),
        retry=retry_if_exception(lambda error: isinstance(error, docker.errors.APIError)),
        reraise=True,
    ):
        with attempt:
            work()
