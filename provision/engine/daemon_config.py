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
# Without a file, the engine has its defaults.
_TAKE_AWAY = "rm -f {file}.swarmrig-old; mv -f {file} {file}.swarmrig-old"
_HAS_ENGINE = "PATH=$PATH:/usr/sbin:/sbin; command -v dockerd >/dev/null"
# systemd refuses a unit that was started some times within a minute.
_RESTART = "systemctl reset-failed docker docker.socket 2>/dev/null; systemctl restart docker"
# Containers without a restart policy would stay as the restart leaves them. A service's tasks are
# the swarm's to start.
_RUNNING = "docker ps -q --no-trunc 2>/dev/null || true"
_START = """
for id in {ids}; do
  case $(docker inspect -f '{{{{.State.Running}}}} \
{{{{index .Config.Labels "com.docker.swarm.service.id"}}}}' "$id" 2>/dev/null) in
    "false ") docker start "$id" ;;
  esac
done
"""
_BACK = """
if [ -e {file}.swarmrig-old ]; then mv -f {file}.swarmrig-old {file}; else rm -f {file}; fi
{restart}
"""
_DONE = "rm -f {file}.swarmrig-old"


def merged(text: str, settings: dict[str, Any]) -> str:
    """The file's text with `settings` in it, what else it says unchanged; `text` itself if all is.

    Raises ValueError for a file that is no JSON object: what it means is its owner's to say.
    """
    there = parsed(text)
    if all(key in there and there[key] == value for key, value in settings.items()):
        return text
    return as_text({**there, **settings})


def parsed(text: str) -> dict[str, Any]:
    """What the file says; {} where it is empty. Raises ValueError where it is no JSON object."""
    there = json.loads(text) if text.strip() else {}
    if not isinstance(there, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - as json.loads says it
    return there


def as_text(settings: dict[str, Any]) -> str:
    """The file's text with these settings."""
    return json.dumps(settings, indent=2) + "\n"


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
        return as_text({name: said for name, said in there.items() if name != key})

    return _change(machine, f"no {key}", without, progress)


def undo(machine: Machine, entry: Entry, outcome: Outcome, progress: Progress) -> None:
    """Take a setting out that was put in, unless it has another value by now."""
    key, value = entry.items
    if unset(machine, key, value, progress):
        outcome.removed.append(f"{key} from {FILE} on {machine.name}")


def _change(machine: Machine, what: str, change: Callable[[str], str], progress: Progress) -> bool:
    text = machine.run_checked(f"cat {shlex.quote(FILE)} 2>/dev/null || true", 30, sudo=True)
    try:
        wanted = change(text)
    except ValueError as error:
        raise UserError(
            f"{machine.name}: {FILE} is not valid: {error}", "Fix it there; nothing was changed."
        ) from None
    if wanted == text:
        return False
    replace(machine, what, wanted, progress)
    return True


def replace(machine: Machine, what: str, wanted: str | None, progress: Progress) -> None:
    """Replace the file, or remove it (None), and restart the engine with it.

    One that does not come up gets the old file back. A host whose engine was removed gets the file
    alone. Raises MachineError with the engine's own words.
    """
    file = shlex.quote(FILE)
    progress.phase(machine.name, f"setting {what} in daemon.json")
    # Fed, and not written into the command: it can hold a proxy's password.
    script = _TAKE_AWAY if wanted is None else _REPLACE
    done = machine.feed(
        script.format(file=file, refused=_REFUSED), (wanted or "").encode(), 60, sudo=True
    )
    if done.exit_code == _REFUSED:
        raise MachineError(
            f"{machine.name}: {FILE}: Docker does not accept {what}: {done.last_words}",
            "The file is as it was, and Docker runs with it.",
        )
    if not done.ok:
        raise MachineError(f"{machine.name}: {FILE} could not be written: {done.last_words}")
    if machine.run(_HAS_ENGINE, 30).ok:
        _restart(machine, what)
    machine.run_checked(_DONE.format(file=file), 30, sudo=True)


def restart(machine: Machine) -> None:
    """Restart the engine, and start the containers again that ran before. Raises MachineError."""
    running = machine.run(_RUNNING, 60, sudo=True).stdout.split()
    machine.run_checked(_RESTART, 180, sudo=True)
    daemon.wait(machine)
    _start(machine, running)


def _restart(machine: Machine, what: str) -> None:
    running = machine.run(_RUNNING, 60, sudo=True).stdout.split()
    try:
        restart(machine)
    except MachineError as error:
        log = machine.daemon_log(2)
        machine.run(_BACK.format(file=shlex.quote(FILE), restart=_RESTART), 180, sudo=True)
        daemon.wait(machine)
        _start(machine, running)
        raise MachineError(
            f"{machine.name}: Docker does not start with {what} in {FILE}: "
            f"{error}; its log says: {log}",
            "The old file is back in place, and Docker runs with it.",
        ) from error


def _start(machine: Machine, containers: list[str]) -> None:
    """Start the containers again that ran before the engine's restart."""
    if containers:
        machine.run(_START.format(ids=shlex.join(containers)), 300, sudo=True)
