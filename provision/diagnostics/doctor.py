"""What this host can run, and what is missing: one line for each finding."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

from provision.lab import proxy
from provision.lab.model import Lab
from provision.providers import conflicts, lab_index
from provision.providers.backend import Backend
from provision.providers.backends import registry
from provision.providers.boxes import select
from provision.providers.existing import HostsProvider
from provision.providers.vagrant import requirements
from provision.ssh import host_keys
from provision.ssh.endpoint import Endpoint
from provision.support import cache
from provision.support.errors import UserError

State = Literal["ok", "absent", "warning", "missing"]
_FIRST: dict[State, int] = {"missing": 0, "warning": 1}
# Where no provider is installed, by system.
_INSTALL = {
    "Darwin": "Install Docker Desktop, VirtualBox, Parallels or VMware Fusion.",
    "Windows": "Install Docker Desktop or VirtualBox, or turn Hyper-V on.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was examined. `advice` is what to do where it is not ok.

    "absent" is what the lab does not need: a provider that is not installed, beside a usable one.
    """

    state: State
    what: str
    advice: str = ""


def examine(lab: Lab, fresh: bool = True) -> list[Finding]:
    """Examine all that a lab needs of this host; trying KVM again (`fresh`) takes seconds."""
    findings = [
        Finding("ok", f"{platform.system()} {platform.machine()}, Python {sys.version.split()[0]}")
    ]
    if hint := proxy.hint(lab):
        findings.append(Finding("absent", hint))
    if lab.provider == "hosts":
        findings.append(Finding("ok", "provider hosts: nothing is booted here"))
        return _sorted(findings + _routes(lab))
    vagrant = ""
    try:
        vagrant = requirements.check_vagrant()
        findings.append(Finding("ok", f"Vagrant {vagrant}"))
    except UserError as error:
        findings.append(Finding("missing", str(error), error.advice))
    usable, found = _providers(lab, vagrant)
    findings += found
    findings += [Finding("warning", line) for line in requirements.memory_warnings(lab)]
    named = registry.find(lab.provider)
    chosen = named or next(iter(usable), None)
    for backend in usable:
        findings += _acceleration(backend, fresh)
    if chosen and chosen in usable:
        hindrances = (one for one in chosen.hindrances(lab) if one.certain)
        findings += [Finding("warning", one.what, one.advice) for one in hindrances]
    if not lab.files.plan.exists():
        findings += _clashes(lab, chosen, usable)
    findings += [_disk(), *(_boxes(chosen) if not chosen or chosen.uses_boxes else [])]
    return _sorted(findings)


def _sorted(findings: list[Finding]) -> list[Finding]:
    """After the line about the system, what is to be put right."""
    return findings[:1] + sorted(findings[1:], key=lambda finding: _FIRST.get(finding.state, 2))


def _providers(lab: Lab, vagrant: str) -> tuple[list[Backend], list[Finding]]:
    """The providers that can be used, the preferred one first, and a finding for each."""
    findings = []
    lacks = {one: requirements.provider_lacks(one, vagrant) for one in registry.backends()}
    usable = [one for one, lacking in lacks.items() if not lacking]
    # Of those that are installed and do not work, the preferred one is what to put right.
    broken = next((one for one in lacks if not usable and one.present()), None)
    for backend, lacking in lacks.items():
        state: State = "absent" if lacking else "ok"
        if lacking and (
            lab.provider == backend.name or (lab.provider == "auto" and backend is broken)
        ):
            state = "missing"
        findings.append(Finding(state, f"provider {backend.name}: {lacking or 'can be used'}"))
    if lab.provider == "auto" and not usable and not broken:
        advice = _INSTALL.get(platform.system(), "Install libvirt or VirtualBox, or Docker.")
        findings.append(Finding("missing", "no provider can be used", advice))
    return usable, findings


def _acceleration(backend: Backend, fresh: bool) -> list[Finding]:
    found = backend.acceleration(fresh)
    if not found:
        return []
    if found.fast:
        return [Finding("ok", f"KVM works: {found.why}")]
    return [Finding("warning", f"emulation, which is slow: {found.why}")]


def _clashes(lab: Lab, chosen: Backend | None, usable: list[Backend]) -> list[Finding]:
    lines = lab_index.clashes(lab, chosen.name if chosen else "")
    findings = [Finding("missing", line, lab_index.ADVICE) for line in lines]
    if chosen in usable:
        if problem := conflicts.find(lab, chosen):
            findings.append(Finding("missing", str(problem), problem.advice))
        return findings
    lines = conflicts.clashes(lab, frozenset(), chosen.management_network if chosen else True)
    return findings + [Finding("missing", line, "Take another in lab.toml.") for line in lines]


def _disk() -> Finding:
    free = shutil.disk_usage(cache.folder()).free >> 30
    state: State = "ok" if free >= 10 else "warning"
    return Finding(state, f"{free} GiB of disk are free (10 are wanted)")


def _boxes(chosen: Backend | None) -> list[Finding]:
    if not (reason := select.unreachable()):
        return [Finding("ok", "boxes can be downloaded")]
    what = f"no box can be downloaded here: {select.catalogue()}: {reason}"
    if chosen and chosen.builds_boxes:
        return [Finding("ok", f"{what}; inv box builds one for {chosen.name}")]
    return [Finding("warning", what, "Add one: vagrant box add.")]


def _routes(lab: Lab) -> list[Finding]:
    """How each existing host would be reached; no host is contacted."""
    lacks = [tool for tool in ("ssh", "ssh-keygen") if not shutil.which(tool)]
    if lacks:
        return [
            Finding("missing", f"{' and '.join(lacks)}: not installed", "Install OpenSSH's client.")
        ]
    findings = []
    for name, end in HostsProvider(lab).endpoints().items():
        hops = []
        hop: Endpoint | None = end
        while hop:
            known = bool(host_keys.lookup(hop))
            hops.append(f"{hop}{'' if known else ' (host key not known yet)'}")
            hop = hop.jump
        unknown = any("not known" in text for text in hops)
        findings.append(
            Finding(
                "warning" if unknown else "ok",
                f"{name}: {' through '.join(hops)}",
                "inv up asks for it on a terminal, and refuses it elsewhere." if unknown else "",
            )
        )
    return findings
