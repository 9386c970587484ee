"""All faults by name, for verbs, scenarios and tests."""

from __future__ import annotations

from provision.faults.kinds.clock import clock
from provision.faults.kinds.config import broken_config
from provision.faults.kinds.daemon import freeze_daemon, kill_daemon
from provision.faults.kinds.delay import delay
from provision.faults.kinds.drain import drain
from provision.faults.kinds.loss import loss
from provision.faults.kinds.mtu import mtu
from provision.faults.kinds.mute import mute
from provision.faults.kinds.partition import partition
from provision.faults.kinds.power import power_off
from provision.faults.kinds.rate import rate
from provision.faults.kinds.reorder import reorder
from provision.faults.kinds.service import changed_service
from provision.faults.kinds.task import name_server, task_link

__all__ = [
    "broken_config",
    "changed_service",
    "clock",
    "delay",
    "drain",
    "freeze_daemon",
    "kill_daemon",
    "loss",
    "mtu",
    "mute",
    "name_server",
    "partition",
    "power_off",
    "rate",
    "reorder",
    "task_link",
]
