"""Collect redacted logs for a bug report in one archive: of each machine, Vagrant, this host.

Nothing stops it: what cannot be collected is a note in the archive. Secrets are taken out of
every file.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from provision.diagnostics import doctor, versions
from provision.lab.lockfile import NAME as LOCK
from provision.lab.model import Lab
from provision.machine.machine import Machine, connected
from provision.providers import select
from provision.providers.backends import registry
from provision.ssh.endpoint import for_looking
from provision.support import redact
from provision.support.errors import SwarmrigError
from provision.support.files import write_atomic
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.support.versions import tools

PATIENCE = 10.0  # seconds in which a machine has to accept a login
_MOST = 4 << 20  # bytes of one file; the end of a log is what matters

# What is asked of a machine, as root: file name to shell text.
QUESTIONS = {
    "docker-journal.txt": "journalctl -u docker -n 5000 --no-pager -o short-iso-precise",
    "kernel.txt": "journalctl -k -n 1000 --no-pager -o short-iso-precise || dmesg | tail -n 1000",
    "system.txt": "cat /etc/os-release; uname -a; uptime; date -u; free -m; df -h; "
    "systemctl --failed --no-pager",
    "ip.txt": "ip -details address; ip route show table all; ip -details link; ip neigh",
    "sockets.txt": "ss -tulpn",
    "iptables.txt": "iptables-save; ip6tables-save",
    "nft.txt": "nft list ruleset",
    "bridge-fdb.txt": "bridge fdb show; bridge vlan show",
    "docker-info.txt": "docker version; docker info",
    "docker-ps.txt": "docker ps --all --no-trunc",
    "docker-networks.txt": "docker network ls --no-trunc; "
    "docker network ls -q | xargs -r docker network inspect",
    "docker-services.txt": "docker service ls; docker service ls -q | xargs -r docker service ps "
    "--no-trunc",
    "docker-nodes.txt": "docker node ls; docker node ls -q | xargs -r docker node inspect",
    "docker-plugins.txt": "docker plugin ls --no-trunc",
    "daemon.json": "cat /etc/docker/daemon.json",
    "overlay-namespaces.txt": 'for n in /var/run/docker/netns/*; do echo "== $n"; '
    'nsenter --net="$n" sh -c "ip -d link; ip address; ip neigh; bridge fdb show"; done',
}


@dataclass
class _Archive:
    """The archive as it grows; `add` redacts every text."""

    secrets: list[str]
    files: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        if len(text) > _MOST:
            text = f"(the last {_MOST} characters of {len(text)})\n{text[-_MOST:]}"
        self.files[name] = redact.redacted(text, self.secrets)

    def packed(self, top: str) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in sorted(self.files.items()):
                data = text.encode(errors="replace")
                info = tarfile.TarInfo(f"{top}/{name}")
                info.size, info.mtime = len(data), int(time.time())
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


def collect(lab: Lab, progress: Progress, target: Path | None = None) -> Path:
    """Collect the logs of a lab, and write them as a tar.gz; its path.

    By default it is put beside the lab's reports. Raises OSError where it cannot be written.
    """
    archive = _Archive(list(_known_secrets(lab)))
    files = lab.files
    for file in (files.vagrant_log, files.vagrantfile, files.plan, files.ready, files.ssh_config):
        _file(archive, f"lab/{file.name}", file)
    for file in (files.applied, files.pending, files.addresses):
        _file(archive, f"lab/{file.name}", file)
    for file in sorted(files.scripts.glob("*.log")):
        _file(archive, f"lab/scripts/{file.name}", file)
    _file(archive, f"lab/{LOCK}", lab.home / LOCK)
    for file in sorted(files.checkpoints.glob("*.json")):
        _file(archive, f"lab/checkpoints/{file.name}", file)
    _host(archive, lab)
    _machines(archive, lab, progress)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    top = f"swarmrig-{lab.name}-{stamp}"
    return write_atomic(target or lab.reports / f"{top}.tar.gz", archive.packed(top))


def _known_secrets(lab: Lab) -> Iterator[str]:
    for file in (lab.file, *lab.files.definitions):
        try:
            yield from redact.secrets_in(tomllib.loads(file.read_text(encoding="utf-8-sig")))
        except (OSError, ValueError):
            continue


def _file(archive: _Archive, name: str, file: Path) -> None:
    try:
        archive.add(name, file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return
    except OSError as error:
        archive.add(f"{name}.missing.txt", f"It could not be read: {error}\n")


def _host(archive: _Archive, lab: Lab) -> None:
    """This host: versions, the doctor's findings, and what the provider lists of the lab."""
    try:
        provider = select.of_state(lab)
    except SwarmrigError as error:
        provider = None
        archive.add("host/provider.missing.txt", f"{error}\n")
    name = provider.name if provider else lab.provider
    found = {**tools(), **versions.provider_tools(name)}
    archive.add("host/versions.json", json.dumps(found, indent=2) + "\n")
    try:
        findings = doctor.examine(lab, fresh=False)
        archive.add("host/doctor.txt", "".join(f"{f.state:8} {f.what}\n" for f in findings))
    except (OSError, SwarmrigError) as error:
        archive.add("host/doctor.missing.txt", f"{error}\n")
    backend = registry.find(name)
    if text := backend.diagnostics(lab) if backend else "":
        archive.add(f"host/{name}.txt", text)


def _machines(archive: _Archive, lab: Lab, progress: Progress) -> None:
    try:
        provider = select.of_state(lab)
        endpoints = provider.endpoints() if provider else {}
    except SwarmrigError as error:
        archive.add("machines.missing.txt", f"{error}\n")
        return
    if not endpoints:
        archive.add("machines.missing.txt", "The lab is not up.\n")
        return
    with connected(lab, for_looking(endpoints)) as machines:
        answers = run_on_all(
            "collecting", machines.values(), lambda m: _answers(m, progress), progress
        )
    for name, answer in answers.items():
        for file, text in answer.items():
            archive.add(f"{name}/{file}", text)


def _answers(machine: Machine, progress: Progress) -> dict[str, str]:
    """A machine's answer to each question; a note where it cannot be reached."""
    progress.phase(machine.name, "collecting its logs")
    answers: dict[str, str] = {}
    try:
        machine.connect(patience=PATIENCE)
        for file, question in QUESTIONS.items():
            result = machine.run(f"PATH=$PATH:/usr/sbin:/sbin; {question}", 60, sudo=True)
            end = "" if result.ok else f"(exit code {result.exit_code})\n"
            answers[file] = f"$ {question}\n{result.stdout}{result.stderr}{end}"
    except (OSError, SwarmrigError) as error:
        answers["NOT-REACHED.txt"] = f"{error}\n"
        progress.failed(machine.name, "not reached: noted in the archive")
        return answers
    progress.done(machine.name, "collected")
    return answers
