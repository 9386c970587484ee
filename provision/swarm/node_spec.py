"""Changing what a swarm has written of a node: its role, whether it takes tasks."""

from __future__ import annotations

import docker.errors
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from provision.machine.machine import Machine

_PATIENCE = 30.0


def change(manager: Machine, node_id: str, **spec: str) -> None:
    """Set keys of a node's spec (`Role`, `Availability`), and leave what is so already.

    An update names the version of the node that was read. The swarm itself writes to a node as
    well, when it has just joined say: then the node is read again.
    Source: https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Node/operation/NodeUpdate
    Raises docker.errors.APIError.
    """
    for attempt in Retrying(
        stop=stop_after_delay(_PATIENCE),
        wait=wait_random(0, 0.5),
        retry=retry_if_exception(_read_too_early),
        reraise=True,
    ):
        with attempt:
            node = manager.docker.nodes.get(node_id)
            wanted = {**node.attrs["Spec"], **spec}
            if wanted != node.attrs["Spec"]:
                node.update(wanted)


def _read_too_early(error: BaseException) -> bool:
    return isinstance(error, docker.errors.APIError) and "out of sequence" in str(error)
