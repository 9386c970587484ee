"""Which clocks are set, which are refused, and when this host's own is the wrong one."""

from __future__ import annotations

import pytest

from provision.engine import clock
from provision.support.errors import MachineError

HOUR = 3600.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-12000, "3 h 20 min behind"),
        (3600, "1 h ahead of"),
        (-400, "7 min behind"),
        (2 * 86400 + 3700, "2 d 1 h ahead of"),
        (-86400, "1 d behind"),
    ],
)
def test_how_far_off_a_clock_is_reads_well(seconds: float, words: str) -> None:
    assert clock.in_words(seconds) == words


@pytest.mark.parametrize("existing", [True, False])
def test_clocks_that_are_off_by_less_than_minutes_are_left_alone(existing: bool) -> None:
    seen = {"machine1": 20.0, "machine2": -250.0}
    assert clock.plan(seen, existing) == []
    assert clock.note(seen, existing) == ""


def test_machines_of_our_own_get_this_hosts_time() -> None:
    # A laptop that was suspended: its machines have slept alike.
    (first, second) = clock.plan({"machine1": -9 * HOUR, "machine2": -9 * HOUR}, existing=False)
    assert (first.machine, first.kind) == ("machine1", "clock")
    assert second.what == "set its clock, which is 9 h behind this host's"
    assert clock.note({"machine1": -9 * HOUR}, existing=False) == ""


def test_an_existing_host_whose_clock_is_off_is_named_with_how_much_and_what_to_do() -> None:
    seen = {"machine1": 1.0, "machine2": -3 * HOUR, "machine3": 2.0, "machine4": HOUR}
    with pytest.raises(MachineError) as caught:
        clock.plan(seen, existing=True)
    said = caught.value.report()
    assert "machine2: its clock is 3 h behind this host's" in said
    assert "machine4: its clock is 1 h ahead of this host's" in said
    assert "(right on machine1, machine3)" in said
    assert "on machine2, machine4 run sudo timedatectl set-ntp true" in said


def test_where_all_existing_hosts_agree_this_hosts_clock_is_the_wrong_one() -> None:
    seen = {"machine1": HOUR + 3, "machine2": HOUR}
    assert clock.plan(seen, existing=True) == []
    assert "The clocks of all machines are 1 h ahead of this host's" in clock.note(seen, True)
