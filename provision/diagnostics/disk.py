"""Full disks: looked for before work begins, and again when it has failed.

Few of the errors that they cause say so. An engine does when it loads an image; but it may as well
not start, or not answer, and a task whose node cannot write it down stays "accepted" for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all

# Less is too little for any image, and for the swarm's log.
_LEAST = 16  # MiB
_WORDS = "no space left on device"
# Where Docker and this tool write; Docker's folder first, where several lie on one disk. The engine
# may have another, and is not asked: it may not answer.
_ASK = """
root=$(sed -n 's/.*"data-root" *: *"\\([^"]*\\)".*/\\1/p' /etc/docker/daemon.json 2>/dev/null)
for path in "${root:-/var/lib/docker}" /var/lib/containerd / /tmp; do
  df -Pm "$path" 2>/dev/null | awk -v path="$path" 'NR == 2 {print $4, $2, $6, path}'
done
"""


@contextlib.contextmanager
def explaining(machines: dict[str, Machine]) -> Iterator[None]:
    """Add to a MachineError of the block which machines have a full disk, and what to do."""
    try:
        yield
    except MachineError as error:
        found = _disks(machines.values())
        lines, advice = _full(found), ""
        if not lines and found and _WORDS in str(error).lower():
            # Somebody ran out of space and gave it back, maybe long ago: other advice holds too.
            lines, advice = [f"{min(found)[1]}, the fullest disk"], error.advice
        if lines:
            error.args = ("\n".join([str(error), *(f"  {line}" for line in lines)]),)
            error.advice = f"{_advice(lines)} {advice}".strip()
        raise


def check(machines: dict[str, Machine]) -> None:
    """Raise MachineError for machines on which nothing can be written any more."""
    if lines := full(machines.values()):
        raise MachineError("\n".join(lines), _advice(lines))


def _advice(lines: list[str]) -> str:
    name = lines[0].split(":")[0]
    return (
        f"Make room: inv ssh {name}, then docker system prune, or df -h and see what is large; "
        "then run the command again."
    )


def full(machines: Iterable[Machine]) -> list[str]:
    """The full disks of machines that answer, a line each."""
    return _full(_disks(machines))


def _full(found: list[tuple[int, str]]) -> list[str]:
    return [f"{words}: {_WORDS}" for free, words in found if free < _LEAST]


def _disks(machines: Iterable[Machine]) -> list[tuple[int, str]]:
    """MiB free, and a disk in words, for each disk of the machines that answer."""

    def look(machine: Machine) -> list[tuple[int, str]]:
        try:
            machine.connect(patience=0)
            return _parse(machine.name, machine.run(_ASK, 15, sudo=True).stdout)
        except MachineError:
            return []

    seen = run_on_all("looking for full disks", machines, look)
    return [disk for disks in seen.values() for disk in disks]


def _parse(name: str, said: str) -> list[tuple[int, str]]:
    disks: dict[str, tuple[int, str]] = {}
    for row in said.splitlines():
        free, size, mount, path = row.split(maxsplit=3)
        words = f"{name}: {path} has {free} MiB free of {size}"
        disks.setdefault(mount, (int(free), words))
    return list(disks.values())
