"""The packets of a lab's networks on the underlay, as rows while they pass.

    hows = [vxlan(look.context.data_path_port)]     # and exercise.plugin.how where it has one
    with Live(machines, hows, networks={4097: "overlaynet1"}) as live:
        live.wait_listening(30)                # nobody has to: it begins by itself
        rows = live.since(0, seconds=1)        # waits until there is one, for a second at most
        rows = live.since(rows[-1].number)     # what came after it
        for row in live.rows(): ...            # or all of them, as they come, until it is closed
        live.networks = {4097: "overlaynet1", 4098: "other1"}   # when networks come and go
        live.seen()                            # per machine: whether it listens, how many packets
        live.save(folder / "underlay.pcapng")  # for Wireshark, what is kept just now

- `machines` are all machines of the lab: only what they send each other is captured. Nothing of it
  is written to them, and what runs there ends when this process does, however it ends.
- A packet has a row for each machine that saw it (`Row.machine`), mostly two: where it left and
  where it came in. `dataclasses.asdict(row)` is plain data for JSON.
- Rows are numbered from 1 in the order in which they came. The newest `keep` packets are kept. Who
  has read up to a number gets the rest by `since`; any number of readers may, from any thread.
- At most `per_second` packets a second are taken apart, an equal share of each machine; others are
  counted (`Seen.missed`): a flood costs little here. A machine that sends more than can be read
  drops it in its kernel, and its count is right a second later.
- `Row.network` is the name by the VNI: "" for one that no network of `networks` has, None where
  the packet does not tell (Weave; what cannot be read). With `foreign=False` packets of no network
  are counted (`Seen.foreign`), and not kept.
- A machine that is lost is asked again every second: `Seen.error` says why meanwhile. Nothing is
  raised for it, and the other machines go on.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paramiko

from provision.machine.machine import Machine
from provision.support.errors import MachineError, SwarmrigError
from provision.support.files import write_atomic
from scenarios.evidence import frame
from scenarios.evidence.capture import SNAPSHOT, learn_layers, underlay_interface
from scenarios.evidence.encapsulation import Encapsulation, among
from scenarios.evidence.pcap import Raw, Stream, written

_PAUSE = 0.25  # seconds between two looks at whether all is over
_ASK = 1.0  # seconds between two questions for the count
_SILENCE = 30.0  # seconds: a machine that answers none of them is lost
_MOST_BYTES = 1 << 18  # that are read of a machine in _PAUSE, and that may be under way
_ENDING = 5.0  # seconds for tcpdump to end
_COUNT = re.compile(r"(\d+) packets? received by filter")
_USUAL = re.compile(r"packets? (captured|received|dropped)|listening on|^\s*$")
_LOST = (SwarmrigError, OSError, EOFError, ValueError, paramiko.SSHException)


@dataclass(frozen=True)
class Row:
    """A frame that a packet on the underlay carried, or a packet in which none can be read.

    `at` is in seconds since 1970 by the machine's clock, `size` the packet's bytes. The inner
    addresses are of IP, or of Ethernet for other frames, and "" for what cannot be read.
    """

    number: int
    at: float
    machine: str
    outer_source: str
    outer_destination: str
    encapsulation: str
    vni: int | None
    network: str | None
    inner_source: str
    inner_destination: str
    protocol: str
    size: int


@dataclass(frozen=True)
class Seen:
    """A machine's capture. `packets` are all that passed: shown, foreign and missed ones."""

    machine: str
    interface: str
    listening: bool
    error: str
    packets: int
    shown: int
    foreign: int

    @property
    def missed(self) -> int:
        return self.packets - self.shown - self.foreign


@dataclass
class _Post:
    """What is known of a machine's capture."""

    machine: Machine
    interface: str = ""
    listening: bool = False
    error: str = ""
    said: str = ""
    before: int = 0  # packets of the connections before this one
    read: int = 0
    counted: int = 0  # by tcpdump's own word
    shown: int = 0
    foreign: int = 0
    second: int = 0
    taken: int = 0  # in this second
    stream: Stream = field(default_factory=Stream)

    def begin(self) -> None:
        """A connection begins."""
        self.before, self.read, self.counted = self.packets, 0, 0
        self.said, self.stream = "", Stream()

    def hear(self, text: str) -> None:
        """What tcpdump says: that it listens, how many packets passed, or what is wrong."""
        self.said = (self.said + text)[-2000:]
        if "listening on" in self.said:
            self.listening, self.error = True, ""
        if counts := _COUNT.findall(self.said):
            self.counted = int(counts[-1])

    @property
    def packets(self) -> int:
        return self.before + max(self.read, self.counted)

    def may_take(self, limit: int, now: float) -> bool:
        """Whether one more packet may be taken apart in this second."""
        if int(now) != self.second:
            self.second, self.taken = int(now), 0
        self.taken += 1
        return self.taken <= limit

    def seen(self) -> Seen:
        return Seen(
            self.machine.name,
            self.interface,
            self.listening,
            self.error,
            self.packets,
            self.shown,
            self.foreign,
        )


class Live:
    """Captures on the underlay of all machines while the block runs; see the module."""

    def __init__(
        self,
        machines: Sequence[Machine],
        hows: Sequence[Encapsulation],
        networks: Mapping[int, str] | None = None,
        keep: int = 2000,
        per_second: int = 200,
        foreign: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.networks: Mapping[int, str] = dict(networks or {})
        self._hows = tuple(hows)
        self._filter = among(hows, [machine.address for machine in machines])
        self._share = max(per_second // max(len(machines), 1), 1)
        self._foreign = foreign
        self._clock = clock
        self._kept: deque[tuple[tuple[Row, ...], Raw]] = deque(maxlen=keep)
        self._number = 0
        self._news = threading.Condition()
        self._over = threading.Event()
        self._posts = [_Post(machine) for machine in machines]
        self._threads = [
            threading.Thread(target=self._watch, args=[post], daemon=True) for post in self._posts
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._news:
            self._news.notify_all()
        for thread in self._threads:
            thread.join(_ENDING + 5)

    # -- reading ------------------------------------------------------------------------------

    def since(self, number: int, seconds: float = 0.0) -> list[Row]:
        """The kept rows after that number, in order; waits so long for the first of them."""
        with self._news:
            self._news.wait_for(lambda: self._number > number or self._over.is_set(), seconds)
            found: list[Row] = []
            for rows, _ in reversed(self._kept):
                if rows[-1].number <= number:
                    break
                found.extend(row for row in reversed(rows) if row.number > number)
        return found[::-1]

    def rows(self) -> Iterator[Row]:
        """All rows that are kept, and then each as it comes, until the block ends."""
        number = 0
        while True:
            over = self._over.is_set()
            for row in self.since(number, 0 if over else 1):
                number = row.number
                yield row
            if over:
                return

    def seen(self) -> list[Seen]:
        """Each machine's capture as it stands."""
        with self._news:
            return [post.seen() for post in self._posts]

    def wait_listening(self, seconds: float) -> bool:
        """Wait until every machine listens, for at most so long; whether all do."""
        with self._news:
            return self._news.wait_for(lambda: all(p.listening for p in self._posts), seconds)

    def pcap(self) -> bytes:
        """The packets that are kept as a pcapng file, in which each machine is an interface."""
        with self._news:
            kept = list(self._kept)
        return written((rows[0].machine, raw) for rows, raw in kept)

    def save(self, path: Path) -> Path:
        """Write `pcap()`, whole or not at all. Raises OSError."""
        return write_atomic(path, self.pcap())

    # -- capturing ----------------------------------------------------------------------------

    def _watch(self, post: _Post) -> None:
        """Capture on one machine, again and again, until all is over."""
        learn_layers()
        while not self._over.is_set():
            why = ""
            try:
                self._capture(post)
            except _LOST as error:
                why = str(error) or type(error).__name__
            with self._news:
                post.listening, post.error = False, why
                self._news.notify_all()
            self._over.wait(_ASK)

    def _capture(self, post: _Post) -> None:
        """One connection's capture, until it ends or all is over. Raises one of _LOST."""
        machine = post.machine
        interface = underlay_interface(machine)
        command = machine.as_root(_script(interface, self._filter))
        with machine.stream(command, window=_MOST_BYTES) as channel:
            channel.settimeout(_PAUSE)
            with self._news:
                post.interface = interface
                post.begin()
            self._hear(post, channel)
            if not self._over.is_set():
                raise MachineError(_last_words(post))
            channel.shutdown_write()
            channel.settimeout(_ENDING)
            while channel.recv(65536):
                pass

    def _hear(self, post: _Post, channel: paramiko.Channel) -> None:
        """Take what comes until the channel ends, or all is over."""
        asked = heard = began = time.monotonic()
        read = 0
        while not self._over.is_set():
            data: bytes | None = None
            with contextlib.suppress(TimeoutError):
                data = channel.recv(65536)
            now = time.monotonic()
            if self._hear_errors(post, channel):
                heard = now
            if data:
                heard, read = now, read + len(data)
                self._take(post, data)
            elif data is not None:
                self._hear_errors(post, channel)
                return
            if now - heard > _SILENCE:
                raise MachineError(f"{post.machine.name}: nothing was heard for {_SILENCE:.0f} s")
            if now - asked >= _ASK:
                asked = now
                # Before it listens, a question would end it.
                channel.sendall(b"USR1\n" if post.listening else b"0\n")
            if now - began >= _PAUSE:
                began, read = now, 0
            elif read > _MOST_BYTES:
                # The rest waits there, until the kernel drops it and counts.
                self._over.wait(began + _PAUSE - now)

    def _hear_errors(self, post: _Post, channel: paramiko.Channel) -> bool:
        """Take what tcpdump has said; whether it has said anything."""
        came = False
        while channel.recv_stderr_ready():
            came = True
            said = channel.recv_stderr(4096).decode(errors="replace")
            with self._news:
                post.hear(said)
                self._news.notify_all()
        return came

    def _take(self, post: _Post, data: bytes) -> None:
        """Bytes of a machine's pcap have come."""
        for raw in post.stream.feed(data):
            take = post.may_take(self._share, self._clock())
            rows = self._rows(post.machine.name, raw) if take else []
            with self._news:
                post.read += 1
                if not rows:
                    continue
                if not self._foreign and all(row.network == "" for row in rows):
                    post.foreign += 1
                    continue
                post.shown += 1
                numbered = [
                    replace(row, number=self._number + n) for n, row in enumerate(rows, start=1)
                ]
                self._number += len(rows)
                self._kept.append((tuple(numbered), raw))
                self._news.notify_all()

    def _rows(self, machine: str, raw: Raw) -> list[Row]:
        blank = Row(
            0, raw.at / 1e6, machine, "", "", "", None, None, "", "", "cannot be read", raw.size
        )
        try:
            return _described(blank, raw, self._hows, self.networks)
        except Exception:  # whatever scapy makes of packets that anybody may have made
            return [blank]


def _script(interface: str, wanted: str) -> str:
    """tcpdump, until its input ends; a line of input is a signal that it gets.

    USR1 has it report how many packets passed (tcpdump(1)); 0 finds out whether it runs: `jobs`
    lets go of one that has ended. Its buffer is small (512 KiB): what waits there is never old.
    """
    return (
        f"PATH=$PATH:/usr/sbin; tcpdump -i {shlex.quote(interface)} -n -U --immediate-mode "
        f"-B 512 -s {SNAPSHOT} -w - {shlex.quote(wanted)} & p=$!; "
        "while read -r s && jobs >/dev/null && kill -$s $p; do :; done 2>/dev/null; "
        "kill -TERM $p 2>/dev/null; wait $p"
    )


def _last_words(post: _Post) -> str:
    lines = [line.strip() for line in post.said.splitlines() if not _USUAL.search(line)]
    last = lines[-1] if lines else "it does not say why"
    return f"{post.machine.name}: tcpdump has ended on {post.interface}: {last}"


def _described(
    blank: Row, raw: Raw, hows: Sequence[Encapsulation], networks: Mapping[int, str]
) -> list[Row]:
    """The rows of a packet: one for each frame that it carries, or one for itself."""
    from scapy.config import conf  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.inet import IP  # noqa: PLC0415

    packet: Any = conf.l2types.num2layer.get(raw.link, conf.raw_layer)(raw.data)
    if IP not in packet:
        return [blank]
    outer = replace(blank, outer_source=packet[IP].src, outer_destination=packet[IP].dst)
    for how in hows:
        if carried := how.decode(packet):
            network = None
            if carried.vni is not None and how.vni_tells_network:
                network = networks.get(carried.vni, "")
            row = replace(
                outer, encapsulation=carried.encapsulation, vni=carried.vni, network=network
            )
            words = [frame.said(one) for one in carried.frames]
            return [
                replace(
                    row,
                    inner_source=one.source,
                    inner_destination=one.destination,
                    protocol=one.protocol,
                )
                for one in words
            ] or [row]
    return [replace(outer, protocol=frame.said(packet).protocol)]
