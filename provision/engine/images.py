"""Images brought to every node before anything needs them: from a registry, or from files."""

from __future__ import annotations

import contextlib
import functools
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from provision.changes.change import Change
from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.lab.model import DEFAULT_IMAGE, Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

# Where a box that Swarmrig has built carries images, each a `docker save` archive, and the names.
CARRIED = "/usr/share/swarmrig/images"
CARRIED_BY = "/usr/share/swarmrig/box.json"


@dataclass(frozen=True)
class Facts:
    """What a machine has: ids by reference (of those asked for), and what its box carries.

    `known` is False where no engine answers yet. With the containerd image store (`containerd`)
    an image's id is its manifest's digest, which an archive's configuration digest cannot tell.
    """

    ids: dict[str, str]
    carried: str = ""
    containerd: bool = False
    known: bool = True


@dataclass(frozen=True)
class Choice:
    """The image that scenarios run, and why it is that one."""

    reference: str
    why: str


def facts(machine: Machine, references: Iterable[str]) -> Facts:
    """Look, and change nothing."""
    ids = {}
    carried = carried_image(machine)
    for reference in (*references, *([carried] if carried else [])):
        with contextlib.suppress(docker.errors.ImageNotFound):
            ids[reference] = str(machine.docker.images.get(reference).id)
    store = machine.docker.info().get("DriverStatus") or []
    containerd = any("io.containerd.snapshotter" in str(entry) for entry in store)
    return Facts(ids, carried, containerd)


def references(lab: Lab) -> list[str]:
    """Every image that a lab may need, the one that a box carries aside."""
    tags = [tag for archive in lab.image_archives for tag in archive_tags(archive)]
    return [*tags, DEFAULT_IMAGE if lab.image == "auto" else lab.image]


def choose(lab: Lab, seen: dict[str, Facts]) -> Choice:
    """alpine:latest, or the image that every machine's box carries, or what lab.toml names.

    A box that was built because nothing can be downloaded asks no registry.
    """
    if lab.image != "auto":
        return Choice(lab.image, "named in lab.toml")
    common = {facts.carried for facts in seen.values()}
    if len(common) == 1 and (only := common.pop()):
        return Choice(only, f"the box carries it (busybox; {DEFAULT_IMAGE} would need a registry)")
    return Choice(DEFAULT_IMAGE, "the exercise's own")


def plan(lab: Lab, seen: dict[str, Facts]) -> list[Change]:
    """What is missing on each machine: archives first, then the image that scenarios run."""
    reference = choose(lab, seen).reference
    found = []
    for name, facts in seen.items():
        loaded: set[str] = set()
        for archive in lab.image_archives:
            tags = archive_tags(archive)
            loaded |= set(tags)
            if not _has(facts, tags):
                words = f"load {archive.name} ({', '.join(tags)})"
                found.append(Change(name, "image", words, tuple(tags)))
        if reference not in facts.ids and reference not in loaded:
            carried = reference == facts.carried
            words = f"load {reference}, which its box carries" if carried else f"pull {reference}"
            found.append(Change(name, "image", words, (reference,)))
    return found


def apply(
    lab: Lab,
    machine: Machine,
    change: Change,
    journal: Journal,
    locked: tuple[str, str] = ("", ""),
) -> None:
    """Carry one change out. Raises MachineError with the registry's or the daemon's own words.

    `locked` is a reference and the digest under which it was pulled before (swarmrig.lock).
    """
    earlier = facts(machine, change.items).ids
    with journal.writing(change, earlier) as entry:
        for archive in lab.image_archives:
            tags = archive_tags(archive)
            if tuple(tags) == change.items:
                load(machine, archive, tags)
                break
        else:
            reference = change.items[0]
            fetch(machine, reference, locked[1] if locked[0] == reference else "")
        entry.after = facts(machine, change.items).ids


def undo(machine: Machine, entry: Entry, outcome: Outcome) -> None:
    """Remove what was brought, or give a name back to the image that had it before."""
    images = machine.docker.images
    for reference in entry.items:
        try:
            now = str(images.get(reference).id)
        except docker.errors.ImageNotFound:
            continue
        earlier, made = entry.before.get(reference, ""), entry.after.get(reference, "")
        if now == earlier:
            continue
        if made and now != made:
            outcome.left.append(f"image {reference} on {machine.name}: it is another one by now")
            continue
        try:
            if earlier:
                name, _, tag = reference.rpartition(":")
                images.get(earlier).tag(name, tag)
                images.remove(now)
            else:
                images.remove(reference)
            outcome.removed.append(f"image {reference} on {machine.name}")
        except docker.errors.APIError as error:
            outcome.left.append(
                f"image {reference} on {machine.name}: {error.explanation or error}"
            )


def carried_image(machine: Machine) -> str:
    """The name of the image that the machine's box carries, "" where it carries none."""
    said = machine.run(f"cat {CARRIED_BY}", timeout=30)
    if not said.ok:
        return ""
    image = json.loads(said.stdout).get("image") or {}
    return str(image.get("tag", "") if isinstance(image, dict) else image)


def present(
    lab: Lab, machine: Machine, reference: str, journal: Journal, progress: Progress
) -> None:
    """Make sure that an image is on the machine. Raises MachineError with the registry's words."""
    if reference not in facts(machine, [reference]).ids:
        change = Change(machine.name, "image", f"pull {reference}", (reference,))
        progress.phase(machine.name, change.what)
        apply(lab, machine, change, journal)


def fetch(machine: Machine, reference: str, digest: str = "") -> None:
    """Bring an image to a machine: from what its box carries, else from its registry.

    One that has to be pulled is pulled by `digest`, where that is given, and gets its tag here.
    """
    images = machine.docker.images
    if machine.run(f"ls {CARRIED}/*.tar", timeout=30).ok:
        machine.run_checked(
            f'for file in {CARRIED}/*.tar; do docker load -q -i "$file"; done', 300, sudo=True
        )
        with contextlib.suppress(docker.errors.ImageNotFound):
            images.get(reference)
            return
    name, _, tag = reference.partition("@") if "@" in reference else _split_tag(reference)
    try:
        if digest and "@" not in reference:
            _pull(machine, name, digest)
            images.get(f"{name}@{digest}").tag(name, tag or "latest")
        else:
            _pull(machine, name, tag or "latest")
    except docker.errors.APIError as error:
        raise MachineError(
            f"{machine.name}: image {reference} is not there and cannot be pulled: "
            f"{error.explanation or error}",
            "Where no registry can be reached, give archives made by `docker save`: "
            'images.archives = ["alpine.tar"] in lab.toml.',
        ) from error


def _pull(machine: Machine, name: str, tag: str) -> None:
    """Pull, and read what is said meanwhile: an error in that stream is in no status code.

    Raises APIError with the registry's or the engine's own words.
    """
    for said in machine.docker.api.pull(name, tag=tag, stream=True, decode=True):
        if "error" in said:
            detail = (said.get("errorDetail") or {}).get("message")
            raise docker.errors.APIError(str(said["error"]), explanation=detail or said["error"])


def _split_tag(reference: str) -> tuple[str, str, str]:
    # A colon after the last slash starts a tag; one before it belongs to a registry's port.
    head, slash, tail = reference.rpartition("/")
    name, colon, tag = tail.partition(":")
    return head + slash + name, colon, tag


@functools.cache
def archive_tags(archive: Path) -> dict[str, str]:
    """What a `docker save` archive holds: tag to image id ("sha256:…"). Raises UserError.

    Source: https://github.com/moby/docker-image-spec (manifest.json of a saved archive).
    """
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            manifest = json.load(member) if member else []
    except (OSError, KeyError, tarfile.TarError, json.JSONDecodeError) as error:
        raise UserError(
            f"images.archives: {archive} is not a `docker save` archive: {error}",
            "Make it with: docker save -o file.tar IMAGE",
        ) from None
    return {
        tag: "sha256:" + Path(entry["Config"]).name.removesuffix(".json")
        for entry in manifest
        for tag in entry.get("RepoTags") or []
    }


def load(machine: Machine, archive: Path, tags: dict[str, str]) -> None:
    """Load an archive, and verify what came of it."""
    loaded = machine.feed("docker load -q", archive, 900, sudo=True)
    if not loaded.ok:
        raise MachineError(
            f"{machine.name}: {archive.name} could not be loaded: {loaded.last_words}"
        )
    if not _has(facts(machine, tags), tags):
        raise MachineError(
            f"{machine.name}: {archive.name} was loaded, but its images {', '.join(tags)} "
            "are not the ones that the machine now has."
        )


def _has(seen: Facts, tags: dict[str, str]) -> bool:
    return all(
        tag in seen.ids and (seen.containerd or seen.ids[tag] == wanted)
        for tag, wanted in tags.items()
    )
