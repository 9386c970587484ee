"""An engine's daemon.json: settings merged into what is there, and proven by the engine's restart.

Source: https://docs.docker.com/engine/daemon/#configuration-file
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from provision.changes.journal import Entry
from provision.changes.outcome import Outcome
from provision.engine import daemon
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

FILE = "/etc/docker/daemon.json"
_REFUSED = 65  # exit code where the engine has judged the new file (EX_DATAERR of sysexits.h)

# The old file is kept beside the new one until the engine has come up with that. A newer engine
# can judge a file before it is in place; where it cannot, its start does.
_REPLACE = """
set -e
new={file}.swarmrig-new old={file}.swarmrig-old
mkdir -p "$(dirname {file})"
rm -f "$new" "$old"
umask 077
cat > "$new"
chmod 644 "$new"
if [ -e {file} ]; then cp -p {file} "$old"; chmod --reference={file} "$new"; fi
if dockerd --help 2>/dev/null | grep -q -e --validate; then
  dockerd --validate --config-file "$new" || {{ rm -f "$new" "$old"; exit {refused}; }}
fi
mv -f "$new" {file}
"""
_BACK = """
if [ -e {file}.swarmrig-old ]; then mv -f {file}.swarmrig-old {file}; else rm -f {file}; fi
systemctl reset-failed docker docker.socket 2>/dev/null
systemctl restart docker
"""
_DONE = "rm -f {file}.swarmrig-old"


def merged(text: str, settings: dict[str, Any]) -> str:
    """The file's text with `settings` in it, what else it says unchanged; `text` itself if all is.

    Raises ValueError for a file that is no JSON object: what it means is its owner's to say.
    """
    there = json.loads(text) if text.strip() else {}
    if not isinstance(there, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - as json.loads says it
    if all(key in there and there[key] == value for key, value in settings.items()):
        return text
    return json.dumps({**there, **settings}, indent=2) + "\n"


def ensure(machine: Machine, settings: dict[str, Any], progress: Progress) -> bool:
    """Have the settings in the engine's file; whether anything had to change.

    The engine is restarted only when the file has changed, and waited for. One that does not come
    up with the new file gets its old one back. Raises UserError for a file that cannot be merged
    into, MachineError with the engine's own words when it refuses a setting.
    """
    return _change(machine, ", ".join(settings), lambda text: merged(text, settings), progress)


def unset(machine: Machine, key: str, value: str, progress: Progress) -> bool:
    """Take one setting out again, if it still has that value; whether anything had to change.

    A file that then says nothing more stays as an empty object. Raises as `ensure` does.
    """

    def without(text: str) -> str:
        there = json.loads(text) if text.strip() else {}
        if not isinstance(there, dict) or there.get(key) != value:
            return text
        rest = {name: said for name, said in there.items() if name != key}
        return json.dumps(rest, indent=2) + "\n"

    return _change(machine, f"no {key}", without, progress)


def undo(machine: Machine, entry: Entry, outcome: Outcome, progress: Progress) -> None:
    """Take a setting out that was put in, unless it has another value by now."""
    key, value = entry.items
    if unset(machine, key, value, progress):
        outcome.removed.append(f"{key} from {FILE} on {machine.name}")


def _change(machine: Machine, what: str, change: Callable[[str], str], progress: Progress) -> bool:
    file = shlex.quote(FILE)
    text = machine.run_checked(f"cat {file} 2>/dev/null || true", 30, sudo=True)
    try:
        wanted = change(text)
    except ValueError as error:
        raise UserError(
            f"{machine.name}: {FILE} is not valid: {error}", "Fix it there; nothing was changed."
        ) from None
    if wanted == text:
        return False
    progress.phase(machine.name, f"setting {what} in daemon.json")
    # Fed, and not written into the command: it can hold a proxy's password.
    done = machine.feed(
        _REPLACE.format(file=file, refused=_REFUSED), wanted.encode(), 60, sudo=True
    )
    if done.exit_code == _REFUSED:
        raise MachineError(
            f"{machine.name}: {FILE}: Docker does not accept {what}: {done.last_words}",
            "The file is as it was, and Docker runs with it.",
        )
    if not done.ok:
        raise MachineError(f"{machine.name}: {FILE} could not be written: {done.last_words}")
    try:
        machine.run_checked("systemctl restart docker", 180, sudo=True)
        daemon.wait(machine)
    except MachineError as error:
        log = machine.daemon_log(2)
        machine.run(_BACK.format(file=file), 180, sudo=True)
        daemon.wait(machine)
        raise MachineError(
            f"{machine.name}: Docker does not start with {what} in {FILE}: "
            f"{error}; its log says: {log}",
            "The old file is back in place, and Docker runs with it.",
        ) from error
    machine.run_checked(_DONE.format(file=file), 30, sudo=True)
    return True
