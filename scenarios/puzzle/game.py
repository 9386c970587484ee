"""A puzzle from its beginning to its end: planted, answered, hinted at, repaired, taken back.

The order makes it safe to kill: what comes is written down, the shop is created and works, each
fault's healing is armed, and then it is planted. What was begun can be ended by `stop`.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from provision.changes import journal
from provision.faults.fault import Fault
from provision.faults.making import SECRET_KIND, Faults, written_down
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.wait import wait_until
from scenarios.kit import requires, runner
from scenarios.kit.setup import Setup, data_path_port, fill, now
from scenarios.puzzle import choice, situation
from scenarios.puzzle.puzzles import BY_NUMBER, Commands, Puzzle, Scene
from scenarios.puzzle.situation import SHOP, SITUATION, STOCK, Seen
from scenarios.puzzle.state import Kept, State

# How long a puzzle can last: planting it, and seeing what it breaks, takes a minute or two.
LEAST_SECONDS, MOST_SECONDS = 300, 14400
# Generous: emulated machines on a busy host take minutes.
_WORKS, _BREAKS, _REPAIRED = 300.0, 240.0, 180.0
_STAYS = 8.0  # what is broken for no longer than this was a task that started again


@dataclass(frozen=True)
class Checked:
    """What was seen of the repair. `healed` says that the fault is gone without the player."""

    seen: Seen
    still: list[str] = field(default_factory=list)
    healed: str = ""

    @property
    def solved(self) -> bool:
        return self.seen.works and not self.still and not self.healed


class Game:
    """The puzzle of a lab that is up."""

    def __init__(self, setup: Setup, tell: Callable[[str], None]) -> None:
        requires.refuse(SITUATION.name, SITUATION.needs, requires.given_by(setup.lab))
        self.setup, self.lab, self.tell = setup, setup.lab, tell
        self.kept = Kept(setup.lab.files.puzzle)
        self.machines: list[Machine] = setup.ordered
        self.places = setup.by_place

    def _faults(self) -> Faults:
        # Its journal is read again: what was created meanwhile is written there, too.
        return Faults(self.lab, self.setup.machines, journal.of_lab(self.lab))

    # -- beginning ----------------------------------------------------------------------------

    def start(self, number: int, seed: str, seconds: float) -> State:
        """Create the shop, see that it works, plant a fault, and see what that breaks.

        Raises UserError where this lab cannot have the puzzle, MachineError where it could not be
        planted; nothing is left of it then.
        """
        runner.refuse_others(SITUATION, self.machines, journal.of_lab(self.lab))
        seed = seed or secrets.token_hex(4)
        choices = choice.chosen(seed, number, self.lab, journal.of_lab(self.lab))
        state = State(number=number, seed=seed, place="")
        self.kept.save(state)
        try:
            self._build(state)
            self._plant_one(state, choices, seconds, bool(number))
            self.tell("waiting until it breaks …")
            state.observed = self._broken(state)
        except BaseException:
            # What is not removed now (Ctrl-C once more, a lost machine) `stop` removes.
            with contextlib.suppress(Exception):
                self.stop()
            raise
        state.phase, state.begun = "on", now()
        return self.kept.save(state)

    def _broken(self, state: State) -> list[str]:
        """What the fault breaks, as soon as it does, and for good."""
        end = time.monotonic() + _BREAKS
        while (left := end - time.monotonic()) > 0:
            situation.look_until(self.machines, works=False, patience=left)
            seen = situation.look_until(self.machines, works=True, patience=_STAYS)
            if not seen.works:
                return seen.complaints()
        raise MachineError(
            f"Puzzle {state.number} has broken nothing on this lab.",
            "It was taken back. Try another one: inv puzzle",
        )

    def _build(self, state: State) -> None:
        infos = self.setup.infos()
        names = {"image": self.setup.image}
        for number, machine in enumerate(self.machines[:2], start=1):
            names[f"node{number}"] = str((infos[machine.name].get("Swarm") or {}).get("NodeID"))
        names["vxlan"] = str(data_path_port(infos[self.machines[0].name]))
        self.tell("creating the shop and its stock …")
        situation.build(self.machines, names, journal.of_lab(self.lab))
        seen = situation.look_until(self.machines, works=True, patience=_WORKS)
        if not seen.works:
            raise MachineError(
                f"The shop does not work before anything is broken: {' '.join(seen.complaints())}",
                "See whether the lab is well: inv status, inv scenario overlay",
            )
        state.names = names
        self.kept.save(state)

    def _plant_one(
        self, state: State, choices: Iterable[tuple[Puzzle, str]], seconds: float, only: bool
    ) -> None:
        """Plant the first puzzle that the machines can have."""
        why = ""
        for puzzle, place in choices:
            state.number, state.place, state.phase = puzzle.number, place, "planting"
            state.there, state.ids = {}, []
            state.names |= self._names(puzzle, place, state.names)
            self.kept.save(state)
            try:
                self._plant(state, puzzle.plant(self._scene(state)), seconds)
            except MachineError as error:
                self._faults().heal_all(kind=SECRET_KIND)
                # Only who asked for this very one may learn what it would have needed.
                why = str(error)
                if only:
                    raise
            else:
                return
        raise MachineError(f"No puzzle can be planted on this lab; the last reason: {why}")

    def _plant(self, state: State, faults: list[Fault], seconds: float) -> None:
        for fault in faults:
            made = self._faults().make(fault, seconds, MOST_SECONDS, secret=True)
            state.there |= {
                name: f"{{ {state.there[name]}\n}} || {{ {text}\n}}"
                if name in state.there
                else text
                for name, text in made.there.items()
            }
            state.end = made.end
            state.ids.append(made.fault_id)
        self.kept.save(state)

    def _names(self, puzzle: Puzzle, place: str, names: dict[str, str]) -> dict[str, str]:
        on = self.places[place or "machine1"]
        other = self.places["machine2" if on is self.places["machine1"] else "machine1"]
        manager = self.places["machine1"]
        service = SHOP if on is manager else STOCK
        return {
            "on": on.name,
            "other": other.name,
            "manager": manager.name,
            "here": on.address,
            "address": other.address,
            "first": manager.address,
            "node": names["node1" if on is manager else "node2"],
            "service": puzzle.service or service,
            "lab": self.lab.name,
        }

    def _scene(self, state: State) -> Scene:
        names = state.names
        fields = ("on", "other", "manager", "node", "image", "vxlan")
        others = tuple(one.name for one in self.machines if one.name != names["on"])
        return Scene(others=others, **{name: names[name] for name in fields})

    # -- on the way ---------------------------------------------------------------------------

    def check(self) -> Checked:
        """See whether the shop works again, and whether its fault is gone."""
        state = on(self.kept)
        seen = situation.look(self.machines)
        if not state.repaired and (healed := self._healed(state)):
            self.kept.change(_is_over)
            return Checked(seen, healed=healed)
        still = [name for name, text in state.there.items() if self._is_there(name, text)]
        if seen.works and not state.place:
            # What the swarm was told can be made right in many ways: what works is right.
            still = []
        if not seen.works and not still:
            self.tell("the fault is gone; waiting until the shop works again …")
            seen = situation.look_until(self.machines, works=True, patience=_REPAIRED)
        checked = Checked(seen, still)
        if checked.solved and not state.repaired:
            # Nothing is left that would heal what is repaired.
            self._faults().heal_all(kind=SECRET_KIND)
            self.kept.change(_is_repaired)
        return checked

    def _healed(self, state: State) -> str:
        """Why the fault is gone without the player; "" where it is not."""
        if any(one.kind == SECRET_KIND for one in written_down(self._faults().journal)):
            return ""
        if not state.left:
            return "its time was over, and it has healed by itself"
        return "it was healed by inv fault.heal, or is gone since a checkpoint was restored"

    def _is_there(self, name: str, text: str) -> bool:
        # A machine that cannot be asked is not repaired: nor is one that refuses to be root's.
        ask = f"PATH=$PATH:/usr/sbin:/sbin\nif {{ {text}\n}}; then echo there; else echo gone; fi"
        with contextlib.suppress(MachineError):
            said = self.setup.machines[name].run(ask, 120, sudo=True)
            return said.stdout.split()[-1:] != ["gone"]
        return True

    # -- ending -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Heal the fault, remove the shop, and forget the puzzle; from any state of it.

        Raises MachineError that says what is left.
        """
        self._faults().heal_all(kind=SECRET_KIND)
        self._wait_for_nodes()
        situation.remove(self.machines, journal.of_lab(self.lab))
        self.kept.forget()

    def _wait_for_nodes(self) -> None:
        """Until the swarm has its nodes back: what is removed on one that is down stays there."""
        ask = "timeout 30 docker node ls --format '{{.Status}}'"

        def ready() -> bool:
            said = self.machines[0].run(ask, 60, sudo=True)
            return said.ok and set(said.stdout.split()) == {"Ready"}

        wait_until(ready, bool, _REPAIRED, pause=1)


def on(kept: Kept) -> State:
    """The puzzle that is on. Raises UserError where there is none, or it was cut off."""
    state = kept.load()
    if state is None:
        raise UserError("No puzzle is on.", "Begin one: inv puzzle")
    if state.phase in {"building", "planting"}:
        raise UserError(
            "The puzzle was cut off while it was planted.", "Take it back: inv puzzle.stop"
        )
    if state.phase == "over":
        raise UserError("The puzzle is over.", "Take it away: inv puzzle.stop")
    return state


def commands(given: Commands, state: State) -> list[tuple[str, str]]:
    """A hint's commands, filled in: the machine, and what is typed there."""
    typed = []
    for where, text in given:
        machine = state.names[where]
        names = {**state.names, "unfilter": _unfilter(state, machine)}
        typed.append((machine, fill(text, names)))
    return typed


def _unfilter(state: State, machine: str) -> str:
    """What empties the packet filters of the fault on a machine."""
    if "nft list" in state.there.get(machine, ""):
        rules = [
            f"sudo nft delete table ip swarmrig-{state.names['lab']}-{id_}" for id_ in state.ids
        ]
    else:
        rules = [f"sudo iptables -t mangle -F swarmrig-{id_}" for id_ in state.ids]
    return "; ".join(rules)


def what(state: State) -> str:
    """What the fault is, in words."""
    return fill(BY_NUMBER[state.number].what, state.names)


def _is_over(state: State) -> None:
    state.phase = "over"


def _is_repaired(state: State) -> None:
    state.repaired = state.repaired or now()
