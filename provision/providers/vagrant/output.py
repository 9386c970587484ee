"""What Vagrant prints: progress of machines, error messages, and repainted percentages."""

from __future__ import annotations

import re

from provision.support.progress import Progress
from provision.support.text import readable

# The beginning of a line of Vagrant's, and its phase in words of ours.
_PHASES = (
    ("Importing base box", "copying the box"),
    ("Creating image", "making its disk"),
    ("Creating domain with", "defining the machine"),
    ("Starting domain", "booting"),
    ("Booting VM", "booting"),
    ("Waiting for domain to get an IP", "booting; waiting for an address"),
    ("Waiting for machine to boot", "booting; waiting for SSH"),
    ("Inserting generated public key", "giving it a key of its own"),
    ("Machine booted and ready", "booted"),
    ("Setting hostname", "naming it"),
    ("Configuring and enabling network", "setting its private address"),
    ("Resuming", "resuming"),
    ("Restoring the snapshot", "restoring the checkpoint"),
    ("Removing domain", "removing it"),
    ("Destroying VM", "removing it"),
)
_MACHINE_LINE = re.compile(r"^\s*(?:==> )?([a-z][a-z0-9-]*): (.*)$")
# "==> machine1: …", "    machine1: …", "Bringing machine 'machine1' up with …", "Progress: 7%".
_PROGRESS_LINE = re.compile(
    r"==> |    [a-z][a-z0-9_-]*:( |$)|Bringing machine '|(?:\s*[a-z0-9_-]+: )?Progress: \d+|… \(\d"
)
_PERCENTAGE = re.compile(r"(?:[a-z0-9_> =-]+: +)?Progress: \d+")
_HEADER = "\n--- "  # what begins a command's part of the log
_FIRST, _LAST = 6, 2  # lines of a message that is too long
_LONGEST = 400  # characters of a line


def report(progress: Progress, machines: list[str], line: str) -> dict[str, str]:
    """Report a line of Vagrant's as the phase of its machine; returns what was reported."""
    found = _MACHINE_LINE.match(line)
    if not found or found[1] not in machines:
        return {}
    for begin, phase in _PHASES:
        if found[2].startswith(begin):
            progress.phase(found[1], phase)
            return {found[1]: phase}
    return {}


def identity_files(ssh_config: str) -> dict[str, list[str]]:
    """The key files of each machine in `vagrant ssh-config`, as they are.

    Vagrant puts quotes around a path with a blank and escapes nothing, so that it cannot be read as
    OpenSSH would: a % is no token there, and a quote is a letter.
    """
    found: dict[str, list[str]] = {}
    machine = ""
    for line in ssh_config.splitlines():
        word, _, value = line.strip().partition(" ")
        if word == "Host":
            machine = value
        elif word == "IdentityFile":
            plain = value[1:-1] if " " in value and value[:1] == value[-1:] == '"' else value
            found.setdefault(machine, []).append(plain)
    return found


def error_message(log: str) -> str:
    """The error message of the last command in a log: the last block that is no progress.

    A paragraph is one line; of a long message the first and the last lines are kept.
    """
    lines = [line.rstrip() for line in readable(log.rsplit(_HEADER, 1)[-1]).splitlines()[1:]]
    end = len(lines)
    while end and (not lines[end - 1] or _PROGRESS_LINE.match(lines[end - 1])):
        end -= 1
    begin = end
    while begin and not _PROGRESS_LINE.match(lines[begin - 1]):
        begin -= 1
    block = lines[begin:end] or [line for line in lines if line][-_LAST:]
    return "\n".join(_paragraphs(_shortened(block)))


def _shortened(block: list[str]) -> list[str]:
    """At most so many lines that have text."""
    filled = [number for number, line in enumerate(block) if line]
    if len(filled) <= _FIRST + _LAST:
        return block
    return [*block[: filled[_FIRST - 1] + 1], "", "…", "", *block[filled[-_LAST] :]]


def _paragraphs(block: list[str]) -> list[str]:
    """Vagrant breaks its lines at 72 columns: each paragraph in one line."""
    paragraphs = [" ".join(text.split()) for text in "\n".join(block).split("\n\n")]
    return [text[:_LONGEST] for text in paragraphs if text]


def compact(log: str) -> str:
    """A log without control sequences, in which of each run of repaints the first and the last
    are kept.

    A repaint is what stands behind a carriage return, or a percentage on a line of its own, when
    it differs from the one before in numbers alone.
    """
    kept: list[str] = []
    run: list[str] = []
    for line, repainted in _pieces(log):
        if run and not (repainted and _form(line) == _form(run[-1])):
            kept += _thinned(run)
            run = []
        run.append(line)
    return "\n".join(kept + _thinned(run))


def _pieces(log: str) -> list[tuple[str, bool]]:
    """Each visible line, and whether it repaints the one before it."""
    pieces = []
    for line in log.replace("\r\n", "\n").split("\n"):
        parts = [readable(part) for part in line.split("\r")]
        # What a carriage return leaves empty was never seen.
        parts = [part for part in parts if part.strip()] or [""]
        pieces += [
            (part, number > 0 or bool(_PERCENTAGE.match(part))) for number, part in enumerate(parts)
        ]
    return pieces


def _thinned(run: list[str]) -> list[str]:
    if len(run) <= 3:
        return run
    return [run[0], f"… ({len(run) - 2} repaints)", run[-1]]


def _form(line: str) -> str:
    return re.sub(r"[\d.]+\s*[kMG]?", "0", line)
