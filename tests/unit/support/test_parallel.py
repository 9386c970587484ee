"""Work on many machines: how many at a time, and what is told when some of them fail."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from provision.support import parallel
from provision.support.errors import MachineError, MachinesError, UserError
from provision.support.parallel import at_most, run_on_all


@dataclass(frozen=True)
class Named:
    name: str


TEN = [Named(f"m{number}") for number in range(10)]


@pytest.mark.parametrize(("limit", "most", "machines"), [(1, 1, 10), (3, 3, 9), (None, 10, 10)])
def test_no_more_machines_are_worked_on_than_was_said(
    limit: int | None, most: int, machines: int
) -> None:
    # Nobody passes before so many are at work at once, however slow the machine is.
    together = threading.Barrier(most)
    threads = set()

    def work(machine: Named) -> None:
        threads.add(threading.get_ident())
        together.wait(timeout=60)

    with at_most(limit):
        run_on_all("work", TEN[:machines], work)
    assert len(threads) == most


def test_a_limit_below_one_is_a_mistake() -> None:
    with pytest.raises(UserError, match="--parallel: given -1"), at_most(-1):
        pass


def test_every_machine_that_fails_is_named_with_its_own_error() -> None:
    def work(machine: Named) -> str:
        if machine.name in {"m2", "m7"}:
            raise OSError(f"{machine.name} is down")
        return machine.name

    with pytest.raises(MachinesError) as caught:
        run_on_all("work", TEN, work)
    assert list(caught.value.failures) == ["m2", "m7"]
    assert len(caught.value.succeeded) == 8
    assert "m2 is down" in str(caught.value)
    assert "m7 is down" in str(caught.value)


def test_one_failure_stops_no_other_and_all_are_told() -> None:
    def work(machine: Named) -> int:
        if machine.name == "b":
            raise MachineError("b: no", "try again")
        return 1

    with pytest.raises(MachinesError) as caught:
        run_on_all("work", [Named("a"), Named("b"), Named("c")], work)
    assert caught.value.succeeded == ["a", "c"]
    assert str(caught.value) == "work failed on b:\n  b: no\n  done on: a, c"
    assert caught.value.advice == "try again"


def test_ctrl_c_ends_the_wait_and_is_told_as_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel.run_on_all("work", [Named("a")], lambda machine: machine.name)
