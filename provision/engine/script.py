"""The lab's own scripts: each run once on a machine as root, and again when its content changes.

That one has run is kept with what it has changed: on a machine of our own on the machine itself, of
an existing host in the journal.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from provision.changes.change import Change
from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.engine.paths import PROXY
from provision.lab.model import Lab, Script
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress

LIMIT = 3600.0  # seconds for one script
_LINES = 5  # of its output, in an error
_FOLDER = "/var/lib/swarmrig"
_FILE = f"{_FOLDER}/script"
_RAN = f"{_FOLDER}/scripts"

# A file without a first line for an interpreter is one for sh, as a shell does it.
_PUT = f"""
set -e
umask 077
mkdir -p {_FOLDER}
cat > {_FILE}
chmod 700 {_FILE}
"""
_RUN = f"""
if [ -r {PROXY} ]; then set -a; . {PROXY}; set +a; fi
cd /
{{variables}}
if [ "$(head -c 2 {_FILE})" = '#!' ]; then {_FILE}; else sh {_FILE}; fi < /dev/null 2>&1
code=$?
rm -f {_FILE}
rmdir {_FOLDER} 2>/dev/null
exit $code
"""
_KEEP = f"umask 077; mkdir -p {_FOLDER}; cat > {_RAN}.new && mv -f {_RAN}.new {_RAN}"


def ran(machine: Machine, journal: Journal, wanted: bool) -> dict[str, str]:
    """The checksums of the scripts that have run, by name; asked only where some are `wanted`."""
    if journal.existing:
        done = [e for e in journal.of(machine.name) if e.kind == "script" and e.state == "done"]
        return {entry.items[0]: entry.after["sha256"] for entry in done}
    if not wanted:
        return {}
    said = machine.run_checked(f"cat {_RAN} 2>/dev/null || true", 30, sudo=True)
    lines = (line.split(" ", 1) for line in said.splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2}


def plan(lab: Lab, machine: Machine, journal: Journal) -> list[Change]:
    """The scripts that have not run on a machine as they are now."""
    scripts = lab.scripts_of(machine.name)
    done = ran(machine, journal, bool(scripts))
    return [
        Change(
            machine.name,
            "script",
            f"run {script.name}{' again, which has changed' if script.name in done else ''}",
            (script.name,),
        )
        for script in scripts
        if done.get(script.name) != script.sha256
    ]


def notes(lab: Lab) -> list[str]:
    """The scripts that are not in the lab's folder: whoever gets that folder does not get them."""
    home = lab.home.resolve()
    return [
        f"provision: {name} is outside of the lab's folder: {file}"
        for name in lab.scripts
        if not (file := (lab.home / name).resolve()).is_relative_to(home)
    ]


def apply(lab: Lab, machine: Machine, change: Change, journal: Journal, progress: Progress) -> None:
    """Run one script; its output goes into the lab's logs. Raises MachineError with its end."""
    script = next(s for s in lab.scripts_of(machine.name) if s.name == change.items[0])
    done = ran(machine, journal, wanted=True)
    older = journal.about(machine.name, "script", change.items)
    entry = journal.begin(change)
    _run(lab, machine, script, progress)
    if not journal.existing:
        lines = {**done, script.name: script.sha256}
        text = "".join(f"{checksum} {name}\n" for name, checksum in lines.items())
        kept = machine.feed(_KEEP, text.encode(), 30, sudo=True)
        if not kept.ok:
            raise MachineError(f"{machine.name}: {_RAN} could not be written: {kept.last_words}")
    journal.finish(entry, {"sha256": script.sha256})
    for one in older:
        journal.forget(machine.name, one)


def log_of(lab: Lab, machine: str, name: str) -> Path:
    """The file of this host with the output of a script's last run on a machine."""
    return lab.files.scripts / f"{machine}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}.log"


def _run(lab: Lab, machine: Machine, script: Script, progress: Progress) -> None:
    try:
        content = (lab.home / script.name).read_bytes()
    except OSError as error:
        raise MachineError(f"{machine.name}: {script.name} cannot be read: {error}") from None
    put = machine.feed(_PUT, content, 60, sudo=True)
    if not put.ok:
        raise MachineError(f"{machine.name}: {script.name}: {put.last_words}")
    log = log_of(lab, machine.name, script.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    named = {
        "SWARMRIG_LAB": lab.name,
        "SWARMRIG_MACHINE": machine.name,
        "SWARMRIG_ROLE": machine.plan.role,
        "SWARMRIG_ADDRESS": machine.address,
    }
    variables = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in named.items())
    # Its output may hold what is nobody else's business.
    log.touch(mode=0o600)
    with log.open("w", encoding="utf-8", errors="replace") as out:

        def hear(line: str) -> None:
            out.write(f"{line}\n")
            out.flush()

        progress.phase(machine.name, f"running {script.name}")
        done = machine.run(_RUN.format(variables=variables), LIMIT, sudo=True, hear=hear)
    log.write_text(done.stdout, encoding="utf-8", errors="replace")
    if not done.ok:
        how = (
            f"did not end within {LIMIT:.0f} s"
            if done.exit_code is None
            else f"ended with {done.exit_code}"
        )
        last = [line.strip() for line in done.stdout.splitlines() if line.strip()][-_LINES:]
        words = " / ".join(last) or "it said nothing"
        raise MachineError(
            f"{machine.name}: {script.name} {how}: {words}",
            f"Its whole output: {log}. Fix it, and run inv up again: the script runs again.",
        )


def undo(machine: Machine, entry: Entry, outcome: Outcome) -> None:
    """What a script did is nobody's to know: it stays, and is told."""
    outcome.left.append(f"what {entry.items[0]} did on {machine.name}: it is not undone")
