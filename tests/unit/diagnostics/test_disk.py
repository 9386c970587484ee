"""A full disk is named with its machine, where it lies and how full it is, whatever the error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from provision.diagnostics import disk
from provision.support.errors import MachineError, MachinesError

ROOMY = "20000 30000 / /var/lib/docker\n20000 30000 / /var/lib/containerd\n"
FULL = "0 30000 / /var/lib/docker\n0 30000 / /var/lib/containerd\n900 1000 /tmp /tmp\n"
SMALL = "150 30000 / /var/lib/docker\n900 1000 /tmp /tmp\n"


@dataclass
class Said:
    stdout: str


@dataclass
class Asked:
    """A machine that answers what `df` says; None for one that is lost."""

    name: str
    said: str | None

    def connect(self, patience: float) -> None:
        if self.said is None:
            raise MachineError(f"{self.name}: no SSH")

    def run(self, command: str, timeout: float, sudo: bool) -> Said:
        assert self.said is not None
        return Said(self.said)


def failing(error: MachineError, **said: str | None) -> str:
    machines = {name: Asked(name, text) for name, text in said.items()}
    with pytest.raises(type(error)) as caught, disk.explaining(machines):  # type: ignore[arg-type]
        raise error
    return caught.value.report()


def test_an_error_that_says_nothing_of_it_gets_the_full_disk_added_once() -> None:
    error = MachinesError("Docker", {"machine2": MachineError("machine2: silent")}, ["machine1"])
    said = failing(error, machine1=ROOMY, machine2=FULL, machine3=None)
    line = "machine2: /var/lib/docker has 0 MiB free of 30000: no space left on device"
    assert said.splitlines()[1:3] == ["  machine2: silent", "  done on: machine1"]
    assert said.splitlines()[3] == f"  {line}"
    assert "/var/lib/containerd" not in said
    assert "inv ssh machine2, then docker system prune" in said


def test_where_somebody_ran_out_of_space_and_gave_it_back_the_fullest_disk_is_named() -> None:
    error = MachineError("machine2: load: write /x: no space left on device", "Load it again.")
    said = failing(error, machine1=ROOMY, machine2=SMALL)
    # It is not said to be full, and what else was to be done is still said.
    line = "  machine2: /var/lib/docker has 150 MiB free of 30000, the fullest disk"
    assert said.splitlines()[1] == line
    assert "docker system prune" in said
    assert said.endswith("Load it again.")
    assert "machine1" not in said


def test_with_room_everywhere_an_error_stays_as_it_is() -> None:
    error = MachineError("machine1: no", "Do something.")
    assert failing(error, machine1=ROOMY, machine2=SMALL) == "machine1: no\n  Do something."
