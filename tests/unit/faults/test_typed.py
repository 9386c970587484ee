"""A fault as the verb that somebody types: the command line makes the same fault of it."""

from __future__ import annotations

import pytest

from provision.faults import library
from provision.faults.fault import Fault
from provision.faults.typed import heal_verb, verb


@pytest.mark.parametrize(
    ("fault", "seconds", "typed"),
    [
        (library.partition("machine2"), 60, "inv fault.partition machine2"),
        (
            library.partition("machine2", "machine1", port="4789/udp", one_way=True),
            300,
            "inv fault.partition machine2 --from machine1 --port=4789/udp --one-way --for 300",
        ),
        (
            library.loss("machine1", "machine2", percent=10),
            900,
            "inv fault.loss machine1 --from machine2 --percent=10 --for 900",
        ),
        (library.mtu("machine2"), 60, "inv fault.mtu machine2"),
        (library.clock("machine2", -60), 60, "inv fault.clock machine2 --seconds=-60"),
        (library.power_off("machine2"), 300, "inv fault.power-off machine2 --for 300"),
    ],
)
def test_a_fault_is_typed_with_what_differs_from_the_verbs_own(
    fault: Fault, seconds: float, typed: str
) -> None:
    assert verb(fault, seconds) == typed


def test_it_is_healed_by_its_machine() -> None:
    assert heal_verb(library.freeze_daemon("machine2")) == "inv fault.heal --machine machine2"
