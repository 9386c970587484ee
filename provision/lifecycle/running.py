"""A lab that is up: what `up` recorded, its provider, its machines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from provision.lab import lock
from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.lifecycle import applied
from provision.machine.machine import Machine, connected
from provision.machine.running_lab import RunningLab
from provision.providers import select
from provision.providers.base import Provider
from provision.ssh.endpoint import for_looking
from provision.support.errors import MachineError, UserError


def ready(lab: Lab) -> Ready:
    """What the last `up` brought up. Raises UserError if the lab is not up."""
    try:
        return Ready(**json.loads(lab.files.ready.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up") from None
    except (TypeError, json.JSONDecodeError) as error:
        raise MachineError(
            f"{lab.files.ready} cannot be read: {error}", "Run inv up again."
        ) from None


@contextlib.contextmanager
def machines_of(lab: Lab, looks: bool = False) -> Iterator[dict[str, Machine]]:
    """The machines of a lab that is up, as brought up; `looks` is for verbs that do not hold it.

    Raises UserError when it is not up.
    """
    lab = applied.current(lab)
    ends = provider_of(lab).endpoints()
    with connected(lab, for_looking(ends) if looks else ends) as machines:
        yield machines


@contextlib.contextmanager
def opened(lab: Lab, verb: str) -> Iterator[RunningLab]:
    """The lab as it was brought up, held for one verb. Raises UserError when it is not up."""
    recorded = ready(lab)
    lab = applied.current(lab)
    with lock.holding(lab.state, verb), machines_of(lab) as machines:
        yield RunningLab(lab, recorded, machines)


@contextlib.contextmanager
def viewed(lab: Lab, _verb: str) -> Iterator[RunningLab]:
    """As `opened`, for a verb that only looks: other verbs may work on the lab meanwhile."""
    recorded = ready(lab)
    lab = applied.current(lab)
    with machines_of(lab, looks=True) as machines:
        yield RunningLab(lab, recorded, machines)


def provider_of(lab: Lab) -> Provider:
    """The provider of an existing lab. Raises UserError where it does not exist."""
    provider = select.of_state(lab)
    if not provider:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up")
    return provider
