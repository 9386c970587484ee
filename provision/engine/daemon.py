"""Waiting until a machine's Docker daemon answers."""

from __future__ import annotations

import docker.errors
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress


def ready(machine: Machine, progress: Progress) -> str:
    """Wait until Docker answers, logging in again where its group counts only then; its version."""
    if not machine.is_root and not machine.run("id -nG | grep -qw docker", timeout=30).ok:
        machine.reconnect()
    progress.phase(machine.name, "waiting for Docker to answer")
    return wait(machine)


def wait(machine: Machine, patience: float = 120) -> str:
    """Wait until the engine answers; its version. Raises MachineError with the daemon's log."""
    try:
        for attempt in Retrying(
            stop=stop_after_delay(patience),
            wait=wait_fixed(0.5),
            retry=retry_if_exception_type(
                (MachineError, docker.errors.DockerException, requests.RequestException)
            ),
            reraise=True,
        ):
            with attempt:
                return str(machine.docker.version()["Version"])
    except (MachineError, docker.errors.DockerException, requests.RequestException) as error:
        raise MachineError(
            f"{machine.name}: the Docker Engine did not answer within {patience:.0f} s; "
            f"its log says: {machine.daemon_log()}",
            f"inv ssh {machine.name}, then sudo journalctl -u docker",
        ) from error
    raise AssertionError("unreachable: Retrying either returns or raises")
