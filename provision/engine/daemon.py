"""Waiting until a machine's Docker daemon answers."""

from __future__ import annotations

import contextlib
from operator import not_

import docker.errors
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress
from provision.support.wait import wait_until

_NO_ANSWER = (MachineError, docker.errors.DockerException, requests.RequestException)
# A job of systemd's that waits, or runs: the machine is still booting, or somebody starts it.
_STARTING = "systemctl list-jobs --no-legend 2>/dev/null | grep -Eq ' docker[.]service +(re)?start'"
_BOOT = 900.0  # seconds; an emulated machine on a busy host takes minutes
_PAUSE = 0.2


def let_start(machine: Machine, progress: Progress | None = None, patience: float = _BOOT) -> None:
    """Wait while systemd is starting the engine, as it does when the machine boots.

    Until then it looks like one that was stopped: it would be started, written down as started by
    us, and stopped again on an existing host. What keeps it from starting is found out afterwards.
    """

    def starting() -> bool:
        if not machine.run(_STARTING, 30).ok:
            return False
        if progress:
            progress.phase(machine.name, "waiting for Docker to start")
        # Its socket takes questions already, and holds them until there is somebody to answer.
        with contextlib.suppress(*_NO_ANSWER):
            machine.docker.ping()
        return True

    wait_until(starting, not_, patience, _PAUSE)


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
            retry=retry_if_exception_type(_NO_ANSWER),
            reraise=True,
        ):
            with attempt:
                return str(machine.docker.version()["Version"])
    except _NO_ANSWER as error:
        raise MachineError(
            f"{machine.name}: the Docker Engine did not answer within {patience:.0f} s; "
            f"its log says: {machine.daemon_log()}",
            f"inv ssh {machine.name}, then sudo journalctl -u docker",
        ) from error
    raise AssertionError("unreachable: Retrying either returns or raises")
