"""Images brought to every node before anything needs them: from a registry, or from files."""

from __future__ import annotations

import json
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from provision.definition import DEFAULT_IMAGE, Lab
from provision.errors import MachineError, UserError
from provision.machine import Machine
from provision.parallel import each
from provision.progress import Progress

# Where a box that Swarmrig has built carries images, each a `docker save` archive, and the names.
CARRIED = "/usr/share/swarmrig/images"
CARRIED_BY = "/usr/share/swarmrig/box.json"


@dataclass(frozen=True)
class Choice:
    """The image that scenarios run, why it is that one, and its id on each machine."""

    reference: str
    why: str
    ids: dict[str, str]


def ensure(
    lab: Lab, machines: dict[str, Machine], progress: Progress, locked: tuple[str, str] = ("", "")
) -> Choice:
    """Every image the lab names on every machine.

    `locked` is a reference and the digest under which it was pulled before (swarmrig.lock).

    With `images.scenario = "auto"` it is alpine:latest, or the image that a built box carries: a
    box that was built because nothing can be downloaded asks no registry. Raises MachinesError
    with the registry's own words when an image cannot be had.
    """
    for archive in lab.image_archives:
        tags = archive_tags(archive)
        each(
            f"loading {archive.name}",
            machines.values(),
            lambda machine, a=archive, t=tags: load(machine, a, t, progress),  # type: ignore[misc]
            progress,
        )
    reference, why = lab.image, "named in lab.toml"
    if reference == "auto":
        carried = each("looking for a carried image", machines.values(), carried_image)
        common = set(carried.values())
        if len(common) == 1 and (only := common.pop()):
            reference = only
            why = f"the box carries it (busybox; {DEFAULT_IMAGE} would need a registry)"
        else:
            reference, why = DEFAULT_IMAGE, "the exercise's own"
    ids = each(
        f"getting image {reference}",
        machines.values(),
        lambda machine: present(
            machine, reference, progress, locked[1] if locked[0] == reference else ""
        ),
        progress,
    )
    return Choice(reference, why, ids)


def carried_image(machine: Machine) -> str:
    """The name of the image that the machine's box carries, "" where it carries none."""
    said = machine.run(f"cat {CARRIED_BY}", timeout=30)
    if not said.ok:
        return ""
    image = json.loads(said.stdout).get("image") or {}
    return str(image.get("tag", "") if isinstance(image, dict) else image)


def present(machine: Machine, reference: str, progress: Progress, digest: str = "") -> str:
    """Make sure that `reference` is on the machine; its image id. Raises MachineError.

    One that has to be pulled is pulled by `digest`, where that is given, and gets its tag here.
    """
    images = machine.docker.images
    try:
        return str(images.get(reference).id)
    except docker.errors.ImageNotFound:
        pass
    if machine.run(f"ls {CARRIED}/*.tar", timeout=30).ok:
        progress.phase(machine.name, "loading the image that the box carries")
        machine.must(
            f'for file in {CARRIED}/*.tar; do docker load -q -i "$file"; done', 300, sudo=True
        )
        try:
            return str(images.get(reference).id)
        except docker.errors.ImageNotFound:
            pass
    progress.phase(machine.name, f"pulling {reference}")
    name, _, tag = reference.partition("@") if "@" in reference else _split_tag(reference)
    try:
        if digest and "@" not in reference:
            image = images.pull(name, tag=digest)
            image.tag(name, tag or "latest")
            return str(image.id)
        return str(images.pull(name, tag=tag or "latest").id)
    except docker.errors.APIError as error:
        raise MachineError(
            f"{machine.name}: image {reference} is not there and cannot be pulled: "
            f"{error.explanation or error}",
            "Where no registry can be reached, give archives made by `docker save`: "
            'images.archives = ["alpine.tar"] in lab.toml.',
        ) from error


def _split_tag(reference: str) -> tuple[str, str, str]:
    # A colon after the last slash starts a tag; one before it belongs to a registry's port.
    head, slash, tail = reference.rpartition("/")
    name, colon, tag = tail.partition(":")
    return head + slash + name, colon, tag


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


def load(machine: Machine, archive: Path, tags: dict[str, str], progress: Progress) -> None:
    """Load an archive unless its images are there already, and verify what came of it."""
    if _has(machine, tags):
        return
    progress.phase(machine.name, f"loading {archive.name}")
    target = f"/tmp/swarmrig-{archive.name}"  # noqa: S108 - on the machine, removed below
    machine.put(archive, target)
    quoted = shlex.quote(target)
    machine.must(f"docker load -q -i {quoted}; code=$?; rm -f {quoted}; exit $code", 900, sudo=True)
    if not _has(machine, tags):
        raise MachineError(
            f"{machine.name}: {archive.name} was loaded, but its images {', '.join(tags)} "
            "are not the ones that the machine now has."
        )


def _has(machine: Machine, tags: dict[str, str]) -> bool:
    for tag, wanted in tags.items():
        try:
            image = machine.docker.images.get(tag)
        except docker.errors.ImageNotFound:
            return False
        # With the containerd image store an image's id is its manifest's digest, which the
        # archive's configuration digest cannot tell; there the tag has to do.
        store = machine.docker.info().get("DriverStatus") or []
        containerd = any("io.containerd.snapshotter" in str(entry) for entry in store)
        if not containerd and image.id != wanted:
            return False
    return True
