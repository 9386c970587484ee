"""The picture of hosts, networks and tasks: positions in px, drawn by templates/macros.html.j2.

Networks are bands above the hosts, the underlay a bar beneath them; where hosts take several rows,
a trunk at the side joins the pieces of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from scenarios.record.model import Host, Network, Record, Task, Topology
from scenarios.report.findings import bare, encapsulation_seen
from scenarios.report.text import shorten

_SIDE = 26  # room for the trunks
_PILL, _PILL_GAP = 42, 8
_FOOT = 56  # name, engine
_MOST_TASKS = 5  # in one host; the rest is counted
_COLOURS = 4  # the style sheet's --net-0 … --net-3


@dataclass(frozen=True)
class Line:
    """A polyline; `style` is its class, with the network's colour where it has one."""

    points: str
    style: str


@dataclass(frozen=True)
class Words:
    """A text: `anchor` is SVG's text-anchor."""

    x: float
    y: float
    text: str
    style: str
    anchor: str = "start"


@dataclass(frozen=True)
class Box:
    """A rectangle with rounded corners."""

    x: float
    y: float
    width: float
    height: float
    style: str


@dataclass(frozen=True)
class Picture:
    """Everything to draw, in drawing order: lines, boxes, words; and a description."""

    width: float
    height: float
    lines: tuple[Line, ...]
    boxes: tuple[Box, ...]
    words: tuple[Words, ...]
    description: str


def wide(record: Record) -> Picture:
    """For a screen or a page: up to four hosts in a row."""
    return wide_of(record.topology, encapsulation_seen(record))


def narrow(record: Record) -> Picture:
    """For a phone: 340 px wide, two hosts in a row."""
    return narrow_of(record.topology, encapsulation_seen(record))


def wide_of(topology: Topology, seen: str = "") -> Picture:
    """As `wide`; `seen` is what was captured on the underlay, such as "VXLAN, UDP 4789"."""
    count = len(topology.hosts)
    columns = count if count <= 4 else 3 if count in (5, 6, 9) else 4
    gap = 72.0 if count <= 2 else 28.0
    cell = (960 - 2 * _SIDE + gap) / max(columns, 2) - gap
    return _Drawing(topology, seen, columns, gap, cell).draw()


def narrow_of(topology: Topology, seen: str = "") -> Picture:
    """As `narrow`, and `seen` as in `wide_of`."""
    gap = 14.0
    return _Drawing(topology, seen, 2, gap, cell=(340 - 2 * _SIDE - gap) / 2).draw()


class _Drawing:
    def __init__(
        self, topology: Topology, seen: str, columns: int, gap: float, cell: float
    ) -> None:
        self.topology = topology
        self.columns = max(columns, 1)
        self.gap = gap
        self.cell = min(cell, 320.0)
        self.width = 2 * _SIDE + self.columns * self.cell + (self.columns - 1) * gap
        self.networks = _drawn_networks(topology)
        self.lines: list[Line] = []
        self.boxes: list[Box] = []
        self.words: list[Words] = []
        self.encapsulation = seen

    def draw(self) -> Picture:
        hosts = self.topology.hosts
        rows = [hosts[at : at + self.columns] for at in range(0, len(hosts), self.columns)]
        y = 4.0
        band_tops: list[list[float]] = []
        bars: list[float] = []
        for index, row in enumerate(rows):
            bands, y = self._bands(y, first=index == 0)
            band_tops.append(bands)
            y = self._hosts(row, bands, y + 26)
            y = self._underlay(row, y, bars)
            y += 30
        if len(rows) > 1:
            self._trunks(band_tops, bars)
        y = self._underlay_label(y - 8)
        return Picture(
            round(self.width, 1),
            round(y, 1),
            tuple(self.lines),
            tuple(self.boxes),
            tuple(self.words),
            _describe(self.topology, self.encapsulation),
        )

    def _bands(self, y: float, *, first: bool) -> tuple[list[float], float]:
        """Each network's band over a whole row; named once, above its first piece."""
        tops = []
        right = self.width - _SIDE
        for index, network in enumerate(self.networks):
            if first:
                self._say((_SIDE, y + 13), network.name, f"strong net{index % _COLOURS}", right)
                self._say((_SIDE, y + 29), _network_line(network), "small muted", right)
                y += 42
            else:
                y += 12
            self._line([(_SIDE, y), (right, y)], f"band net{index % _COLOURS}")
            tops.append(y)
        return tops, y

    def _hosts(self, row: list[Host], bands: list[float], top: float) -> float:
        tasks = [[t for t in self.topology.tasks if t.machine == h.name] for h in row]
        shown = max((min(len(mine), _MOST_TASKS + 1) for mine in tasks), default=0)
        height = 14 + max(shown, 1) * (_PILL + _PILL_GAP) + _FOOT
        for column, (host, mine) in enumerate(zip(row, tasks, strict=True)):
            x = _SIDE + column * (self.cell + self.gap)
            self.boxes.append(Box(round(x, 1), top, round(self.cell, 1), height, "host"))
            self._tasks(mine, bands, x, top)
            self._foot(host, x, top + height - _FOOT)
        return top + height

    def _tasks(self, tasks: list[Task], bands: list[float], x: float, top: float) -> None:
        if not tasks:
            middle = (x + self.cell / 2, top + 40)
            self._say(middle, "no task", "small muted", x + self.cell, anchor="middle")
            return
        shown = tasks if len(tasks) <= _MOST_TASKS + 1 else tasks[:_MOST_TASKS]
        single = len(shown) == 1
        # Several tasks are reached from the left, each by a line of its own.
        inset = 8.0 if single else 14.0 + 7 * len(shown)
        left, width = x + inset, self.cell - inset - 8
        for index, task in enumerate(shown):
            y = top + 14 + index * (_PILL + _PILL_GAP)
            net = next((i for i, n in enumerate(self.networks) if n.name == task.network), None)
            if net is not None:
                at, level = x + 10 + 7 * index, y + _PILL / 2
                above = left + width / 2
                path = [(above, bands[net]), (above, y)]
                if not single:
                    path = [(at, bands[net]), (at, level), (left, level)]
                self._line(path, f"link net{net % _COLOURS}")
            self.boxes.append(Box(round(left, 1), y, round(width, 1), _PILL, "task"))
            end = left + width - 2
            self._say((left + 7, y + 17), task.service, "mono", end)
            self._say((left + 7, y + 33), bare(task.address) or "no address", "mono strong", end)
        if len(shown) < len(tasks):
            y = top + 14 + len(shown) * (_PILL + _PILL_GAP) + 24
            more = f"and {len(tasks) - len(shown)} more"
            self._say((left + 7, y), more, "small muted", x + self.cell)

    def _foot(self, host: Host, x: float, y: float) -> None:
        end = x + self.cell - 8
        self._line([(x, y), (x + self.cell, y)], "rule")
        self._say((x + 12, y + 21), host.name, "strong", end)
        if self.cell > 180:
            self._say((x + self.cell - 12, y + 21), host.role, "small muted", end, anchor="end")
            system = f" · {host.system}" if self.cell > 260 else ""
            self._say((x + 12, y + 41), f"Docker {host.engine}{system}", "small muted", end)
        else:
            self._say((x + 12, y + 41), host.role, "small muted", end)

    def _underlay(self, row: list[Host], bottom: float, bars: list[float]) -> float:
        y = bottom + 36
        for column, host in enumerate(row):
            x = _SIDE + column * (self.cell + self.gap)
            self._line([(x + 14, bottom), (x + 14, y)], "cable")
            self._say((x + 22, bottom + 20), bare(host.address), "mono", x + self.cell + self.gap)
        self._line([(_SIDE, y), (self.width - _SIDE, y)], "bar")
        if self.encapsulation:
            self._line([(_SIDE + 4, y), (self.width - _SIDE - 4, y)], "tunnel net0")
        bars.append(y)
        return y

    def _trunks(self, bands: list[list[float]], bars: list[float]) -> None:
        for index in range(len(self.networks)):
            at = _SIDE - 13 - 6 * index
            style = f"band net{index % _COLOURS}"
            first, last = bands[0][index], bands[-1][index]
            self._line([(_SIDE, first), (at, first), (at, last), (_SIDE, last)], style)
        side, right = self.width - _SIDE + 8, self.width - _SIDE
        for upper, lower in pairwise(bars):
            self._line([(right, upper), (side, upper), (side, lower), (right, lower)], "bar")

    def _underlay_label(self, y: float) -> float:
        right = self.width - _SIDE
        self._say((_SIDE, y), "Underlay between the hosts", "strong", right)
        if self.encapsulation:
            self._say(
                (_SIDE, y + 16), f"Captured on it: {self.encapsulation}", "small muted", right
            )
            return y + 26
        return y + 10

    def _line(self, points: list[tuple[float, float]], style: str) -> None:
        joined = " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in points)
        self.lines.append(Line(joined, style))

    def _say(
        self, at: tuple[float, float], text: str, style: str, end: float, *, anchor: str = "start"
    ) -> None:
        """Text that is cut where it would run past `end` (a mono letter is 0.6 em of 12 px)."""
        each = 7.3 if "mono" in style else 6.8 if "small" in style else 8.2
        room = max(int((end - at[0]) / each), 4) if anchor == "start" else 40
        self.words.append(
            Words(round(at[0], 1), round(at[1], 1), shorten(text, room), style, anchor)
        )


def _drawn_networks(topology: Topology) -> list[Network]:
    """The networks that tasks are on; without tasks, those of the swarm. The rest is in a table."""
    networks = topology.networks
    used = {task.network for task in topology.tasks}
    drawn = [net for net in networks if net.name in used]
    return (drawn or [n for n in networks if n.scope == "swarm" and n.name != "ingress"])[:3]


def _network_line(network: Network) -> str:
    vni = "" if network.vni is None else f"VNI {network.vni}"
    return " · ".join(part for part in (network.driver, network.subnet, vni) if part)


def _describe(topology: Topology, seen: str) -> str:
    """The picture in words, for who does not see it."""
    hosts = [f"{h.name} ({h.role}) at {bare(h.address)} on the underlay" for h in topology.hosts]
    networks = [f"network {n.name}: {_network_line(n)}" for n in _drawn_networks(topology)]
    tasks = [
        f"a task of {t.service} on {t.machine} at {bare(t.address) or 'no address'}"
        f" in {t.network or 'no network of its own'}"
        for t in topology.tasks
    ]
    captured = [f"captured on the underlay: {seen}"] if seen else []
    return "; ".join([*hosts, *networks, *tasks, *captured]) + "."
