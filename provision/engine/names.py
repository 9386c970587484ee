"""The machines' names for each other: a marked block in each machine's /etc/hosts.

Nothing else of the file is changed. On an existing host a name that means something already is left
out, whatever it means: the host's own lines and its name service come first.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from provision.changes.change import Change
from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.lab.model import Lab, MachineSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError

FILE = "/etc/hosts"
_UNREADABLE = 66  # exit code where the file is something else than a file (EX_NOINPUT)

# The block comes on standard input, or nothing does: then it goes. What is not in the block is
# copied byte by byte. A file that cannot be replaced (a mount of its own, as in a container) is
# written in place.
_WRITE = """
set -e
export LC_ALL=C
file=$(readlink -f {file}) first={first} last={last}
work=$(mktemp -d)
trap 'rm -rf "$work" "$file.swarmrig-new"' EXIT
cat > "$work/block"
if [ -e "$file" ]; then
  cat "$file" > "$work/old"
  if sed -n "/^$first\\$/,/^$last\\$/p" "$work/old" | tail -n 1 | grep -qxF "$last"; then
    sed "/^$first\\$/,/^$last\\$/d" "$work/old" > "$work/rest"
  else
    # Somebody has taken its end away: what follows may be theirs.
    sed "/^$first\\$/d" "$work/old" > "$work/rest"
  fi
  cat "$work/block" "$work/rest" > "$work/whole"
  if cp -a "$file" "$file.swarmrig-new" && cat "$work/whole" > "$file.swarmrig-new" &&
    mv -f "$file.swarmrig-new" "$file"; then
    exit 0
  fi 2> "$work/why"
  rm -f "$file.swarmrig-new"
  cat "$work/whole" > "$file" || {{ cat "$work/old" > "$file"; exit 1; }}
else
  cat "$work/block" > "$file.swarmrig-new"
  chmod 644 "$file.swarmrig-new"
  mv -f "$file.swarmrig-new" "$file"
fi
"""
_READ = f"[ ! -e {FILE} ] || {{ [ -f {FILE} ] && cat {FILE}; }} || exit {_UNREADABLE}"
# All at once: a name server that does not answer costs its patience once.
_ASK = """
for name in {names}; do
  {{ address=$(timeout 10 getent ahostsv4 "$name" | sed -n '1s/ .*//p'); echo "$name $address"; }} &
done
wait
"""


@dataclass(frozen=True)
class Facts:
    """A machine's file: the lines of the lab's block, and what other names mean there already."""

    block: tuple[str, ...] = ()
    meanings: dict[str, str] = field(default_factory=dict)
    readable: bool = True


def _marks(lab: str) -> tuple[str, str]:
    return f"# Begin of lab {lab}, written by Swarmrig", f"# End of lab {lab}, written by Swarmrig"


def facts(machine: Machine, lab: Lab, existing: bool) -> Facts:
    """Look, and change nothing. Only on existing hosts it is asked what names mean already."""
    done = machine.run(_READ, 30, sudo=True)
    if not done.ok:
        return Facts(readable=False)
    block, others = _parsed(done.stdout, lab.name)
    if not existing:
        return Facts(block)
    written = {line.split()[1] for line in block}
    unknown = [m.name for m in lab.machines if m.name not in written and m.name not in others]
    if unknown:
        said = machine.run_checked(_ASK.format(names=shlex.join(unknown)), 60)
        answers = (line.split() for line in said.splitlines())
        others.update({words[0]: words[1] for words in answers if len(words) == 2})
    return Facts(block, others)


def _parsed(text: str, lab: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The lines of the lab's block, and what the file's other lines say, by name."""
    first, last = _marks(lab)
    lines = text.splitlines()
    block: tuple[str, ...] = ()
    if first in lines and last in lines[lines.index(first) :]:
        begin = lines.index(first)
        end = lines.index(last, begin)
        block = tuple(lines[begin + 1 : end])
        del lines[begin : end + 1]
    meanings: dict[str, str] = {}
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            # As the resolver does it, the first line counts; one of IPv4 before one of IPv6.
            if ":" in meanings.get(name.lower(), ":"):
                meanings[name.lower()] = address
    return tuple(line for line in block if len(line.split()) == 2), meanings


def plan(lab: Lab, seen: dict[str, Facts], existing: bool) -> tuple[list[Change], list[str]]:
    """What is to be written, and what is left alone for a reason, in words."""
    changes, notes = [], []
    for machine in lab.machines:
        found = seen[machine.name]
        if not found.readable:
            notes.append(
                f"{machine.name}: {FILE} cannot be read: the machines' names are not in it"
            )
            continue
        wanted, left = _wanted(lab, machine, found, existing)
        notes += left
        if wanted != found.block:
            what = (
                f"enter {', '.join(line.split()[1] for line in wanted)} in {FILE}"
                if wanted
                else f"take the lab's names out of {FILE}"
            )
            changes.append(Change(machine.name, "names", what, wanted))
    return changes, notes


def _wanted(
    lab: Lab, machine: MachineSpec, found: Facts, existing: bool
) -> tuple[tuple[str, ...], list[str]]:
    lines, notes = [], []
    for other in lab.machines:
        meaning = found.meanings.get(other.name, "") if existing else ""
        if not meaning:
            lines.append(f"{other.address} {other.name}")
        elif meaning != other.address and not _itself(other, machine, meaning):
            notes.append(
                f"{machine.name}: the name {other.name} means {meaning} there, not "
                f"{other.address}, and was left as it is"
            )
    return tuple(lines), notes


def _itself(other: MachineSpec, machine: MachineSpec, meaning: str) -> bool:
    """Debian's way: a host's own name is a loopback address."""
    return other.name == machine.name and meaning.startswith("127.")


def apply(lab: str, machine: Machine, change: Change, journal: Journal) -> str:
    """Write the block; why it could not be written, "" where it was.

    The lab works without it, so a file that cannot be written is no failure.
    """
    if journal.existing and not (noted := _noted(machine.name, journal)):
        missing = not machine.run(f"[ -e {FILE} ]", 30).ok
        noted = journal.begin(change, {"lab": lab, "missing": "yes" if missing else ""})
    if problem := _write(machine, lab, change.items):
        return f"{machine.name}: {FILE} could not be written, and was left as it is: {problem}"
    if journal.existing and noted:
        journal.finish(noted, {"block": "\n".join(change.items)})
    return ""


def _noted(host: str, journal: Journal) -> Entry | None:
    return next((entry for entry in journal.of(host) if entry.kind == "names"), None)


def _write(machine: Machine, lab: str, lines: Iterable[str]) -> str:
    first, last = _marks(lab)
    block = "".join(f"{line}\n" for line in (first, *lines, last)) if lines else ""
    script = _WRITE.format(file=FILE, first=shlex.quote(first), last=shlex.quote(last))
    done = machine.feed(script, block.encode(), 60, sudo=True)
    return "" if done.ok else done.last_words


def undo(machine: Machine, entry: Entry, outcome: Outcome) -> None:
    """Take the block out again. Raises MachineError where the file cannot be written."""
    lab = entry.before["lab"]
    done = machine.run(_READ, 30, sudo=True)
    if done.ok and _marks(lab)[0] in done.stdout.splitlines():
        if problem := _write(machine, lab, ()):
            raise MachineError(
                f"{machine.name}: {FILE}: the lab's names could not be taken out: {problem}",
                "Take the lines of the lab out there by hand, and run inv destroy again.",
            )
        if entry.before.get("missing"):
            machine.run_checked(f"[ -s {FILE} ] || rm -f {FILE}", 30, sudo=True)
        outcome.removed.append(f"the lab's names from {FILE} on {machine.name}")
