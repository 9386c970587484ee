"""A fault as somebody types it: the verb that makes it, with its options."""

from __future__ import annotations

import dataclasses
import shlex

from provision.faults.fault import DEFAULT_SECONDS, Fault

# What is no option of the verb: the machines are named otherwise.
_NO_OPTIONS = {"on", "others"}


def verb(fault: Fault, seconds: float = DEFAULT_SECONDS) -> str:
    """The command that makes the fault, as "inv fault.partition machine2 --for 300"."""
    words = [f"inv fault.{fault.kind}", shlex.quote(fault.on)]
    for other in fault.others:
        words += ["--from", shlex.quote(other)]
    for one in dataclasses.fields(fault):
        value = getattr(fault, one.name)
        if one.name in _NO_OPTIONS or value == one.default:
            continue
        option = f"--{one.name.replace('_', '-')}"
        # A negative number would be taken for an option.
        words.append(option if value is True else f"{option}={shlex.quote(f'{value}')}")
    if seconds != DEFAULT_SECONDS:
        words.append(f"--for {seconds:g}")
    return " ".join(words)


def heal_verb(fault: Fault) -> str:
    """The command that heals it."""
    return f"inv fault.heal --machine {shlex.quote(fault.on)}"
