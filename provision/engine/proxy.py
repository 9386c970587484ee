"""The lab's proxy on a machine: for apt, for installing, and for the engine.

The values are in one file that root alone may read: everybody is shown a unit's Environment=.
Sources: https://docs.docker.com/engine/daemon/proxy/#systemd-unit-file, systemd.exec(5),
apt.conf(5).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import daemon_config
from provision.engine.paths import PROXY
from provision.lab import proxy
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress

APT = "/etc/apt/apt.conf.d/90swarmrig-proxy"
UNIT = "/etc/systemd/system/docker.service.d/swarmrig-proxy.conf"
_FILES = (PROXY, APT, UNIT)
_READ = """
PATH=$PATH:/usr/sbin:/sbin
echo "apt=$([ -d /etc/apt/apt.conf.d ] && echo yes)"
for file in {files}; do
  echo "$(basename "$file")=$(sha256sum "$file" 2>/dev/null | cut -d' ' -f1)"
done
"""
_WRITE = """
set -e
file={file}
mkdir -p "$(dirname "$file")"
umask 077
cat > "$file.swarmrig-new"
chmod {mode} "$file.swarmrig-new"
mv -f "$file.swarmrig-new" "$file"
"""
_REMOVE = """
rm -f {files}
rmdir /etc/systemd/system/docker.service.d 2>/dev/null || true
"""


def wanted(lab: Lab, apt: bool) -> dict[str, str]:
    """The files that a machine gets, and their text. Values are checked: none has an apostrophe."""
    values = proxy.variables(lab)
    if not values:
        return {}
    files = {
        PROXY: "".join(f"{name}='{value}'\n" for name, value in values.items()),
        UNIT: f"[Service]\nEnvironmentFile=-{PROXY}\n",
    }
    return {**files, APT: _apt(lab, values)} if apt else files


def _apt(lab: Lab, values: Mapping[str, str]) -> str:
    lines = [
        f'Acquire::{kind}::Proxy "{values[name]}";'
        for kind, name in (("http", "http_proxy"), ("https", "https_proxy"))
        if name in values
    ]
    # apt knows single hosts only.
    for host in proxy.bypassed(lab):
        if not any(char in host for char in "/:*") and not host.startswith("."):
            lines += [f'Acquire::{kind}::Proxy::{host} "DIRECT";' for kind in ("http", "https")]
    return "\n".join([f"// Written by Swarmrig for lab {lab.name}", *lines, ""])


def facts(machine: Machine) -> dict[str, str]:
    """The checksums of the files that are there, and whether there is apt."""
    said = machine.run_checked(_READ.format(files=" ".join(_FILES)), 30, sudo=True)
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    sums = {file: found.get(file.rpartition("/")[2], "") for file in _FILES}
    return {"apt": found.get("apt", ""), **sums}


def plan(lab: Lab, machine: str, seen: Mapping[str, str], journal: Journal) -> list[Change]:
    """What a machine needs so that it uses the lab's proxy, or none of the lab's any more."""
    there = {file: seen[file] for file in _FILES if seen.get(file)}
    texts = wanted(lab, bool(seen.get("apt")))
    if not texts:
        ours = any(entry.kind == "proxy" for entry in journal.of(machine)) or not journal.existing
        if not (there and ours):
            return []
        return [Change(machine, "proxy", "remove the lab's proxy, restart Docker if it runs")]
    if there == {file: _sum(text) for file, text in texts.items()}:
        return []
    assert lab.proxy
    what = f"use the proxy {proxy.shown(lab.proxy)}, restart Docker if it runs"
    return [Change(machine, "proxy", what, ("use",))]


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def apply(lab: Lab, machine: Machine, journal: Journal, change: Change, progress: Progress) -> None:
    """Write the files, or remove them. Raises MachineError."""
    texts = wanted(lab, bool(facts(machine).get("apt"))) if change.items else {}
    entries = [entry for entry in journal.of(machine.name) if entry.kind == "proxy"]
    if texts and not entries:
        entries = [journal.begin(change)]
    _put(machine, texts, progress)
    for entry in entries:
        if texts:
            journal.finish(entry, {})
        else:
            journal.forget(machine.name, entry)


def _put(machine: Machine, texts: Mapping[str, str], progress: Progress) -> None:
    gone = [file for file in _FILES if file not in texts]
    if gone:
        machine.run_checked(_REMOVE.format(files=shlex.join(gone)), 30, sudo=True)
    secret = any("@" in text for text in texts.values())
    for file, text in texts.items():
        mode = "600" if file == PROXY or (secret and file == APT) else "644"
        script = _WRITE.format(file=shlex.quote(file), mode=mode)
        done = machine.feed(script, text.encode(), 30, sudo=True)
        if not done.ok:
            raise MachineError(f"{machine.name}: {file} could not be written: {done.last_words}")
    machine.run_checked("systemctl daemon-reload", 60, sudo=True)
    if machine.run("systemctl is-active -q docker", 30).ok:
        progress.phase(machine.name, "restarting Docker")
        daemon_config.restart(machine)


def undo(machine: Machine, outcome: Outcome, progress: Progress) -> None:
    """Remove the lab's files from a host; its engine is restarted without them."""
    _put(machine, {}, progress)
    outcome.removed.append(f"the lab's proxy from {machine.name}")
