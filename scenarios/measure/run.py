"""A measurement: what it makes, its rounds, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import not_

from provision.changes import journal
from provision.changes.change import Change
from provision.faults.making import Faults
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError, SwarmrigError, UserError
from provision.support.parallel import run_on_all
from provision.support.wait import wait_until
from provision.swarm import labelled
from scenarios.kit import faulting
from scenarios.kit.doing import reason_of
from scenarios.kit.driver import Driver, Use, prepare
from scenarios.kit.setup import Setup, hosts_of, now
from scenarios.measure import facts, place, plugin, traffic
from scenarios.measure.order import order
from scenarios.measure.results import results
from scenarios.measure.statistics import LEAST_ROUNDS
from scenarios.record import measured
from scenarios.record.measured import Measurement, Sample

MOST_ROUNDS = 1000
MOST_SECONDS = 600
_TRIAL = 1  # seconds
_PATIENCE = 60.0  # seconds for what was removed to be gone everywhere
_WHAT = "measure network drivers"


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. Raises UserError for what is not allowed."""

    drivers: tuple[str, ...]
    rounds: int
    seconds: int

    def __post_init__(self) -> None:
        for flag, given, least, most in (
            ("--rounds", self.rounds, LEAST_ROUNDS, MOST_ROUNDS),
            ("--seconds", self.seconds, 1, MOST_SECONDS),
        ):
            if not least <= given <= most:
                raise UserError(f"{flag}: given {given}; allowed: {least} to {most}")

    def names(self) -> dict[str, str]:
        """The drivers by their names on the page: of two alike the second is "host (2)"."""
        seen: Counter[str] = Counter()
        found = {}
        for driver in self.drivers:
            seen[driver] += 1
            found[driver if seen[driver] == 1 else f"{driver} ({seen[driver]})"] = driver
        return found


def known(lab: Lab, plugins: Mapping[str, Driver]) -> list[str]:
    """The drivers that a lab can measure; those of plugins where its lab file has one."""
    return [*place.BUILT_IN, *(plugins if lab.weave else ())]


def check(wanted: Wanted, lab: Lab, plugins: Mapping[str, Driver]) -> None:
    """See what can be seen without a machine. Raises UserError."""
    there = known(lab, plugins)
    for name in wanted.drivers:
        if name in plugins and name not in there:
            raise UserError(
                f"Driver {name} is a plugin's, and lab {lab.name} has none.",
                "Add a [weave] table to lab.toml: see docs/plugins.md",
            )
        if name not in there:
            raise UserError(f"There is no driver {name!r}.", f"Drivers: {', '.join(there)}.")


def measure(wanted: Wanted, setup: Setup, plugins: Mapping[str, Driver]) -> Measurement:
    """Measure, and remove all that was made for it; the record says what came of it.

    After each round the record is written to `setup.folder`. An error, or Ctrl-C, is in the record.
    Raises UserError and MachineError for what cannot begin: nothing was changed then.
    """
    check(wanted, setup.lab, plugins)
    machines = setup.ordered[:2]
    found = facts.of(machines)
    facts.refuse(found, list(wanted.drivers))
    done = journal.of_lab(setup.lab)
    record = _record(wanted, setup, found)
    record.notes += faulting.notes(Faults(setup.lab, setup.machines, done))
    uses = {
        name: prepare(driver, setup.lab, setup.ordered, setup.grants, done)
        for name, driver in plugins.items()
        if name in wanted.drivers
    }
    return _Run(wanted, setup, uses, done, record).go()


def _record(wanted: Wanted, setup: Setup, found: Mapping[str, facts.Facts]) -> Measurement:
    return Measurement(
        lab=setup.lab.name,
        provider=setup.provider,
        image=setup.image,
        notes=list(setup.notes),
        versions=setup.versions,
        iperf3={name: one.iperf3 for name, one in found.items()},
        hosts=hosts_of(setup.ordered[:2], setup.infos(), setup.apis()),
        emulated=any(one.emulated for one in found.values()),
        one_kernel=len({one.kernel for one in found.values()}) == 1,
        seed=secrets.randbelow(2**31),
        rounds=wanted.rounds,
        seconds_each=wanted.seconds,
        started=now(),
    )


@dataclass
class _Run:
    wanted: Wanted
    setup: Setup
    uses: Mapping[str, Use]
    journal: journal.Journal
    record: Measurement

    def go(self) -> Measurement:
        begin = time.monotonic()
        try:
            self._measure()
            self.record.results = results(self.record)
            self.record.verdict = "measured"
        except KeyboardInterrupt:
            self.record.reason = "interrupted"
        except Exception as error:
            # Whatever a library raises: what was seen until then is in the record.
            self.record.verdict, self.record.reason = "error", reason_of(error)
            if isinstance(error, SwarmrigError) and error.advice:
                self.record.reason = error.report()
        finally:
            self.record.seconds = round(time.monotonic() - begin, 3)
            measured.write(self.record, self.setup.folder)
        return self.record

    def _measure(self) -> None:
        with contextlib.ExitStack() as stack:
            places = dict(place.BUILT_IN)
            for name, use in self.uses.items():
                self.setup.tell(f"installing plugin {use.reference}")
                places[name] = stack.enter_context(plugin.installed(use, self.setup.ordered[0]))
            site = stack.enter_context(self._site())
            placed = [self._placed(places[kind], name, site) for name, kind in self._names()]
            self.record.ways = [one.way for one in placed]
            self._rounds({one.name: one for one in placed})
            self.setup.tell("removing all that was made for it")

    def _names(self) -> Iterable[tuple[str, str]]:
        return self.wanted.names().items()

    def _placed(self, make: place.Place, name: str, site: place.Site) -> place.Placed:
        self.setup.tell(f"{name}: two containers, and a trial")
        placed = make(name, site)
        # Caches are filled, and what does not get through shows before the first round.
        self._sample(0, placed, _TRIAL)
        return placed

    def _rounds(self, placed: Mapping[str, place.Placed]) -> None:
        record = self.record
        for number, names in enumerate(order(list(placed), record.rounds, record.seed), start=1):
            self.setup.tell(f"round {number} of {record.rounds}: {', '.join(names)}")
            samples = [self._sample(number, placed[name], record.seconds_each) for name in names]
            record.order.append(names)
            record.samples += samples
            measured.write(record, self.setup.folder)

    def _sample(self, number: int, one: place.Placed, seconds: int) -> Sample:
        started = now()
        rtts, pings = traffic.pings(one.sender, one.pinged)
        flow, busy = traffic.flow(one.sender, one.receiver, one.listen, one.target, seconds)
        if self.record.one_kernel:
            # Both have seen the same CPUs; the sender's time is that of iperf3 itself.
            busy = {one.sender.machine.name: busy[one.sender.machine.name]}
        return Sample(
            round=number,
            driver=one.name,
            started=started,
            rtts_ms=rtts,
            pings=pings,
            cpu_seconds=busy,
            **vars(flow),
        )

    # -- what is made, and removed --------------------------------------------------------------

    @contextlib.contextmanager
    def _site(self) -> Iterator[place.Site]:
        """Where containers are placed; all that is made there is gone when the block has ended.

        Raises MachineError for what does not go.
        """
        self._remove_earlier()
        token = secrets.token_hex(16)
        sender, receiver = machines = self.setup.ordered[:2]
        for machine in machines:
            self.journal.begin(Change(machine.name, "measure", _WHAT, (token,)))
        try:
            with (
                labelled.kept(sender, token, manager=True),
                labelled.kept(receiver, token, manager=False),
            ):
                yield place.Site(sender, receiver, self.setup.image, token)
        finally:
            self._see_gone(machines, token)

    def _see_gone(self, machines: list[Machine], token: str) -> None:
        def left() -> list[str]:
            found = run_on_all("looking for leftovers", machines, lambda m: labelled.left(m, token))
            return [item for items in found.values() for item in items]

        if there := wait_until(left, not_, _PATIENCE):
            raise MachineError(f"Not removed: {', '.join(there)}.", "Run it again: it tries again.")
        for machine in machines:
            self.journal.strike_out(machine.name, "measure", (token,))

    def _remove_earlier(self) -> None:
        """Remove what a measurement has left whose machines lost their power, say.

        On hosts that existed before the lab, only the journal tells what is the lab's.
        """
        manager = self.setup.ordered[0]

        def remove(machine: Machine) -> None:
            entries = [e for e in self.journal.of(machine.name) if e.kind == "measure"]
            values = [e.items[0] for e in entries] if self.journal.existing else [""]
            for value in values:
                if there := labelled.left(machine, value):
                    self.setup.tell(f"removing what was left: {', '.join(there)}")
                    labelled.remove(machine, value, machine is manager)
            for entry in entries:
                self.journal.forget(machine.name, entry)

        run_on_all("looking for leftovers", self.setup.ordered, remove)
