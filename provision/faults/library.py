"""All faults by name, for verbs, scenarios and tests."""

from __future__ import annotations

from provision.faults.kinds.clock import clock
from provision.faults.kinds.daemon import freeze_daemon, kill_daemon
from provision.faults.kinds.delay import delay
from provision.faults.kinds.loss import loss
from provision.faults.kinds.mtu import mtu
from provision.faults.kinds.partition import partition
from provision.faults.kinds.power import power_off
from provision.faults.kinds.rate import rate
from provision.faults.kinds.reorder import reorder

__all__ = [
    "clock",
    "delay",
    "freeze_daemon",
    "kill_daemon",
    "loss",
    "mtu",
    "partition",
    "power_off",
    "rate",
    "reorder",
]
