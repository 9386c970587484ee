"""What a running lab is made of, observed for swarmrig.lock."""

from __future__ import annotations

from dataclasses import replace

from provision.diagnostics import versions
from provision.lab import lockfile
from provision.lab.lockfile import NAME, UPDATE, Box, Entry, Image
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.providers.base import Provider
from provision.providers.boxes import locked as boxes
from provision.support import files
from provision.support.versions import tools


def observe(
    lab: Lab, provider: Provider, machines: dict[str, Machine], engines: dict[str, str], image: str
) -> Entry:
    """What a lab that is up is made of, without the tools."""
    manager = next(m for m in machines.values() if m.plan.role == "manager")
    attrs = manager.docker.images.get(image).attrs
    digests = [one.partition("@")[2] for one in attrs.get("RepoDigests") or []]
    return Entry(
        asked=lockfile.asked(lab),
        box=_box(lab, provider),
        engines=engines,
        image=Image(image, str(attrs["Id"]), digests[0] if digests else ""),
        plugins=plugins_of(lab),
        scripts=lab.scripts,
    )


def _box(lab: Lab, provider: Provider) -> Box | None:
    named = provider.box()
    if not named:
        return None
    found = boxes.box_of(lab, provider.name, *named)
    return replace(found, checksum=provider.box_checksum() or found.checksum)


def plugins_of(lab: Lab) -> dict[str, str]:
    if not lab.weave:
        return {}
    archive = lab.weave.archive
    return {lab.weave.reference: files.digest(archive) if archive else ""}


def keep(lab: Lab, provider: str, seen: Entry, locked: Entry | None) -> list[str]:
    """After an `up`: write the entry where there is none, else what differs, a line each."""
    if locked is None:
        lockfile.write(lab, provider, with_tools(seen, provider))
        return [f"{NAME} is written: the exact versions of this lab"]
    found = lockfile.differences(locked, seen)
    return [*(f"differs from {NAME}: {line}" for line in found), *([UPDATE] if found else [])]


def with_tools(entry: Entry, provider: str) -> Entry:
    """The entry with the versions of the tools on this host."""
    return replace(entry, tools={**tools(), **versions.provider_tools(provider)})
