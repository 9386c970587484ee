"""What this host can run, and what is missing: one line per finding."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from typing import Literal, get_args

from provision.lab import model
from provision.lab.model import Lab
from provision.providers import conflicts, lab_index
from provision.providers.boxes import select
from provision.providers.existing import HostsProvider
from provision.providers.libvirt import kvm
from provision.providers.vagrant import requirements
from provision.ssh import host_keys
from provision.ssh.endpoint import Endpoint
from provision.support import cache
from provision.support.errors import UserError

State = Literal["ok", "absent", "warning", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `advice` is what to do where it is not ok.

    "absent" is what the lab does not need: an unusable provider beside a usable one.
    """

    state: State
    what: str
    advice: str = ""


def examine(lab: Lab, fresh: bool = True) -> list[Finding]:
    """Check everything a lab needs of this host; testing KVM again (`fresh`) takes seconds."""
    findings = [
        Finding("ok", f"{platform.system()} {platform.machine()}, Python {sys.version.split()[0]}")
    ]
    if lab.provider == "hosts":
        findings.append(Finding("ok", "provider hosts: no machine is booted"))
        return findings + _ways(lab)
    found, usable = _providers(lab)
    findings += found
    if "libvirt" in usable:
        verdict = kvm.verdict(fresh)
        findings.append(
            Finding("ok", f"KVM works: {verdict.why}")
            if verdict.works
            else Finding("warning", f"emulation, which is slow: {verdict.why}")
        )
    findings += [Finding("warning", line) for line in requirements.memory_warnings(lab)]
    if not lab.files.plan.exists():
        chosen = lab.provider if lab.provider != "auto" else next(iter(usable), "")
        findings += [
            Finding("missing", line, "Choose another in lab.toml.")
            for line in [*lab_index.clashes(lab, chosen), *conflicts.clashes(lab)]
        ]
    free = shutil.disk_usage(cache.folder()).free >> 30
    findings.append(
        Finding(
            "ok" if free >= 10 else "warning", f"{free} GiB of disk are free (10 are recommended)"
        )
    )
    findings.append(
        Finding("ok", "boxes can be downloaded")
        if select.downloadable()
        else Finding("ok", "no box can be downloaded; libvirt can run one that inv box builds")
    )
    return findings


def _providers(lab: Lab) -> tuple[list[Finding], list[str]]:
    """Vagrant and its providers, and the names of those that can be used."""
    findings = []
    try:
        findings.append(Finding("ok", f"Vagrant {requirements.check_vagrant()}"))
    except UserError as error:
        findings.append(Finding("missing", str(error), error.advice))
    usable = []
    for name in get_args(model.ProviderName)[1:-1]:
        lacks = requirements.provider_missing(name)
        if not lacks:
            usable.append(name)
        state: State = "ok"
        if lacks:
            state = "missing" if lab.provider == name else "absent"
        findings.append(Finding(state, f"provider {name}: {lacks or 'can be used'}"))
    if lab.provider == "auto" and not usable:
        findings.append(
            Finding("missing", "no provider can be used", "Install libvirt or VirtualBox.")
        )
    return findings, usable


def _ways(lab: Lab) -> list[Finding]:
    """How each existing host would be reached; no host is asked."""
    lacks = [tool for tool in ("ssh", "ssh-keygen") if not shutil.which(tool)]
    if lacks:
        return [
            Finding("missing", f"{' and '.join(lacks)}: not found", "Install OpenSSH's client.")
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
