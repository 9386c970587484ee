"""The order in which a fault is made, on machines whose answers are given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.faults import library, timer
from provision.faults.making import Faults, written_down
from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import status
from provision.machine.machine import Result
from provision.support.errors import MachineError, MachinesError, UserError

LOOK = "timer systemd\nfilter nft\ntool tc\ntool unshare\ndevice eth1\ndocker\n"


class Machine:
    """A machine that notes what it is asked for, in one word each."""

    def __init__(self, name: str, said: list[str], look: str = LOOK) -> None:
        self.name = name
        self.address = f"10.0.0.{name[-1]}"
        self.said = said
        self.look = look
        self.fails = ""
        self.heard: list[str] = []
        self.before: Callable[[str], object] = bool

    def connect(self, patience: float | None = None) -> None: ...

    def close(self) -> None: ...

    def run(self, command: str, timeout: float | None = None, sudo: bool = False) -> Result:
        words = {
            "SSH_CONNECTION": "port",
            "systemd-detect-virt": "look",
            "unshare -n": "try",
            "undo()": "arm",
            "its time is over": "make",
            "echo healed": "heal",
            "*.about": "list",
        }
        word = next(word for text, word in words.items() if text in command)
        self.heard.append(command)
        self.before(word)
        self.said.append(f"{self.name} {word}")
        out = {"look": self.look, "port": "1 2 3 2222", "heal": "healed\n"}.get(word, "")
        return Result(self.name, command, out, "no", int(word == self.fails), "", 0.0)

    def run_checked(self, command: str, timeout: float | None = None, sudo: bool = False) -> str:
        return self.run(command).stdout


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text("")
    made = load.load(tmp_path / "lab.toml")
    made.state.mkdir(parents=True)
    return made


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def machines(said: list[str]) -> dict[str, Machine]:
    return {name: Machine(name, said) for name in ("machine1", "machine2")}


@pytest.fixture
def faults(lab: Lab, machines: Any) -> Faults:
    return Faults(lab, machines, Journal())


def test_it_is_looked_at_tried_armed_everywhere_and_only_then_made(
    faults: Faults, said: list[str]
) -> None:
    faults.make(library.partition("machine1"))
    steps = [line.split()[1] for line in said]
    # Each of the two machines is looked at and tried by itself; armed are both before one is made.
    assert sorted(steps[:6]) == ["look", "look", "port", "port", "try", "try"]
    assert steps[6:] == ["arm", "arm", "make", "make"]


def test_it_is_written_down_before_anything_is_done(
    faults: Faults, lab: Lab, machines: dict[str, Machine]
) -> None:
    known: dict[str, int] = {}
    for machine in machines.values():
        machine.before = lambda word: known.setdefault(word, len(status._faults(lab)))
    made = faults.make(library.partition("machine1"), 30)
    assert known == {"port": 0, "look": 0, "try": 0, "arm": 1, "make": 1}
    assert lab.files.faults.exists()
    (line,) = status._faults(lab)
    assert line.startswith("partition: no packet passes between machine1 and machine2 (on mach")
    assert faults.heal(made)
    assert status._faults(lab) == []


@pytest.mark.parametrize("word", ["arm", "make"])
def test_where_one_machine_fails_it_is_healed_on_all(
    word: str, faults: Faults, machines: dict[str, Machine], said: list[str]
) -> None:
    machines["machine2"].fails = word
    with pytest.raises(MachinesError, match="machine2: "):
        faults.make(library.partition("machine1"))
    assert {"machine1 heal", "machine2 heal"} <= set(said)
    assert written_down(faults.journal) == []


def test_what_one_machine_lacks_keeps_all_from_being_changed(
    faults: Faults, machines: dict[str, Machine], said: list[str]
) -> None:
    machines["machine2"].look = LOOK.replace("filter nft\n", "")
    with pytest.raises(MachineError, match="machine2: it has neither nft nor iptables") as caught:
        faults.make(library.partition("machine1"))
    assert caught.value.advice == "Nothing was changed."
    machines["machine2"].look, machines["machine2"].fails = LOOK, "try"
    with pytest.raises(MachineError, match="machine2: its kernel or tools cannot make it: no"):
        faults.make(library.partition("machine1"))
    assert not {line.split()[1] for line in said} & {"arm", "make", "heal"}


def test_what_the_owner_of_an_adopted_swarm_would_suffer_from_is_refused(
    lab: Lab, machines: Any, said: list[str]
) -> None:
    lab = dataclasses.replace(lab, provider="hosts")
    done = Journal(lab.files.journal)
    done.begin(Change("machine1", "swarm-adopt", "use its swarm", ("node1",)))
    faults = Faults(lab, machines, done)
    with pytest.raises(UserError, match="fault partition: this swarm is an adopted one"):
        faults.make(library.partition("machine2", port="4789/udp"))
    assert said == []
    # Of the exercise's own service nobody else has anything.
    faults.make(library.changed_service("machine1", "web", ("--replicas", "0"), ()))


def test_containers_of_others_are_looked_for_where_they_would_stop(
    lab: Lab, machines: dict[str, Machine], said: list[str]
) -> None:
    asked: list[str] = []
    machines["machine2"].heard = asked
    machines["machine2"].look = LOOK + "runs web\nruns db\n"
    existing: Any = machines
    faults = Faults(dataclasses.replace(lab, provider="hosts"), existing, Journal())
    with pytest.raises(MachineError, match=r"containers of others run on it, .*: web, db"):
        faults.make(library.kill_daemon("machine2"))
    assert "arm" not in " ".join(said)
    assert "docker ps" in "".join(asked)
    asked.clear()
    Faults(lab, existing, Journal()).make(library.partition("machine2"))
    assert "docker ps" not in "".join(asked)


def test_a_machine_without_what_heals_has_no_faults(
    faults: Faults, machines: dict[str, Machine]
) -> None:
    machines["machine2"].look = LOOK.replace("timer systemd", "timer ")
    with pytest.raises(MachineError, match="it has no flock and setsid"):
        faults.make(library.freeze_daemon("machine2"))


def test_a_machine_without_power_is_waited_for_until_it_answers(
    faults: Faults, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    monkeypatch.setattr("provision.faults.making.time.sleep", lambda s: waited.append(f"{s:.0f}"))
    made = faults.make(library.power_off("machine2"), 40)
    monkeypatch.setattr(machines["machine2"], "close", lambda: waited.append("close"))
    monkeypatch.setattr(machines["machine2"], "connect", lambda _: waited.append("connect"))
    faults.heal(made)
    assert 35 <= int(waited[0]) <= 40
    assert waited[1:] == ["close", "connect"]


def test_what_heals_itself_is_struck_out_by_the_next_fault(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.make(library.freeze_daemon("machine1"), 1)
    monkeypatch.setattr("provision.faults.making._left", lambda _: -1)
    faults.make(library.freeze_daemon("machine2"), 1)
    assert faults.journal.hosts() == ["machine2"]


def test_a_machine_that_the_lab_does_not_have_is_refused(faults: Faults, said: list[str]) -> None:
    with pytest.raises(UserError, match="no machine 'machine7'"):
        faults.make(library.partition("machine1", "machine7"))
    assert said == []


def test_the_faults_of_a_machine_that_does_not_answer_are_those_written_down(
    faults: Faults, machines: dict[str, Machine]
) -> None:
    faults.make(library.freeze_daemon("machine2"), 60)

    def silent(word: str) -> None:
        raise MachineError("machine2: no SSH")

    machines["machine2"].before = silent
    assert [(one.machine, one.kind) for one in faults.listed()] == [("machine2", "freeze-daemon")]
    with pytest.raises(MachinesError, match="machine2: no SSH"):
        faults.heal_all()
    assert len(written_down(faults.journal)) == 1


def test_a_listing_that_a_machine_gives_is_read(
    faults: Faults, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer, "listing", lambda _: "*.about")
    machine = machines["machine1"]
    monkeypatch.setattr(
        machine, "run_checked", lambda *_, **__: "0a1b2c3d\tdelay\t7\tlate, by 1 ms\n"
    )
    (one,) = faults.listed()
    assert (one.fault_id, one.machine, one.kind, one.words, one.left) == (
        "0a1b2c3d",
        "machine1",
        "delay",
        "late, by 1 ms",
        7,
    )


def test_what_somebody_is_to_find_is_written_down_nowhere_by_its_words(
    faults: Faults, lab: Lab, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Machine.run

    def run(self: Machine, command: str, *rest: Any, **named: Any) -> Result:
        asked.append(command)
        return real(self, command, *rest, **named)

    monkeypatch.setattr(Machine, "run", run)
    made = faults.make(library.partition("machine1"), 9000, most=14400, secret=True)
    (line,) = status._faults(lab)
    assert line.startswith("puzzle: a puzzle is on (heals in ")
    assert "machine" not in line
    texts = [lab.files.faults.read_text(), *asked]
    assert not [text for text in texts if "partition" in text or "no packet passes" in text]
    assert set(made.there) == {"machine1", "machine2"}
    assert faults.heal(made)
    assert status._faults(lab) == []


def test_only_faults_of_a_kind_are_healed_where_one_is_given(faults: Faults) -> None:
    faults.make(library.freeze_daemon("machine1"), 60)
    faults.make(library.freeze_daemon("machine2"), 60, secret=True)
    faults.heal_all(kind="puzzle")
    assert [one.kind for one in written_down(faults.journal)] == ["freeze-daemon"]
