"""From hosts that are reachable to a Ready swarm: how the time grows with their number.

Beside the time stand what tells whether the processors were the limit: how busy they were while
`inv up` ran, and what of that the hosts' daemons took; and the most memory that `inv up` had.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import CLONE, INV
from tests.bench.light import Light, light_lab
from tests.bench.measure import Comparison, Series

NUMBERS = (2, 5, 10, 20)


@dataclass(frozen=True)
class Cost:
    """One `inv up`: seconds, MiB, and processor seconds of itself, the hosts, the machine."""

    seconds: float
    memory: float
    own: float
    hosts: float
    machine: float

    @property
    def busy(self) -> float:
        """The share of all processors' time that was used, by whomever: 1 is all of it."""
        return self.machine / (self.seconds * (os.cpu_count() or 1))


def cost_of_up(light: Light) -> Cost:
    before = _hosts_seconds(light), _machine_seconds()
    begin = time.monotonic()
    process = subprocess.Popen(
        light.fabric.command([INV, "up"]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=CLONE,
        env={**os.environ, "SWARMRIG_LAB": str(light.lab.file)},
    )
    assert process.stderr is not None
    said = process.stderr.read()
    # wait4(2): what the process and those it has waited for have used; kilobytes on Linux.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    elapsed = time.monotonic() - begin
    if process.returncode != 0:
        raise RuntimeError(said.decode(errors="replace")[-800:])
    return Cost(
        elapsed,
        used.ru_maxrss / 1024,
        used.ru_utime + used.ru_stime,
        _hosts_seconds(light) - before[0],
        _machine_seconds() - before[1],
    )


def _hosts_seconds(light: Light) -> float:
    """What all processes of the hosts have used since they were made."""
    return sum(_used(host.cgroups()) for host in light.hosts)


def _used(folders: list[Path]) -> float:
    """Processor seconds of a control group: of version 1 (nanoseconds), or 2 (microseconds)."""
    for folder in folders:
        if (folder / "cpuacct.usage").is_file():
            return int((folder / "cpuacct.usage").read_text()) / 1e9
    for folder in folders:
        if (folder / "cpu.stat").is_file():
            lines = (folder / "cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
    raise RuntimeError("no control group here counts what processes use")


def _machine_seconds() -> float:
    """What all processors have done but wait since the machine has started (proc(5), stat)."""
    ticks = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = ticks[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(runs: int, numbers: tuple[int, ...] = NUMBERS) -> Iterator[str]:
    """Each number of hosts in turn, `runs` times over; new hosts each time."""
    yield f"hosts to a Ready swarm, runs: {runs}, processors: {os.cpu_count()}"
    costs: dict[int, list[Cost]] = {number: [] for number in numbers}
    for _ in range(runs):
        for number in numbers:
            # Told at once, and a number that is too great for this machine takes no other's
            # result. (Each host wants some of fs.inotify.max_user_instances, which all share.)
            try:
                with light_lab(number) as light:
                    cost = cost_of_up(light)
            except TimeoutError as error:
                yield f"  {number:>2} hosts  not measured: {error}"
                continue
            costs[number].append(cost)
            yield f"  {number:>2} hosts  {told([cost])}"
    least = costs[numbers[0]]
    for number, some in costs.items():
        # Pairs are of the same turn, as long as none was missed.
        if len(some) == len(least) == runs:
            yield f"  {number:>2} hosts  {told(some)}"
            ratio = Comparison("", _times(some), _times(least)).ratio()
            yield f"            against {numbers[0]}: {ratio.told()}"


def told(costs: list[Cost]) -> str:
    """Times and shares of one number of hosts."""
    rows = (
        _times(costs),
        Series("", [cost.memory for cost in costs], "MiB"),
        Series("", [100 * cost.busy for cost in costs], "% busy"),
        Series("", [cost.hosts for cost in costs], "s of the hosts"),
        Series("", [cost.own for cost in costs], "s of inv up"),
    )
    return ", ".join(row.told() for row in rows)


def _times(costs: list[Cost]) -> Series:
    return Series("", [cost.seconds for cost in costs])
