"""What a system that is built here carries for the lab: the scenario image, and what it is."""

from __future__ import annotations

import json
from pathlib import Path

from provision.providers.boxes import busybox
from provision.support import architecture
from provision.support.files import write_atomic


def image(binary: Path, status: str, folder: Path) -> str:
    """Put the image of a static busybox into `folder`; its tag. `status` is dpkg's."""
    tag = busybox.tag_for(upstream_version(status))
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    binary.chmod(0o755)
    busybox.write_archive(binary, images / "busybox.tar", tag, architecture.debian_architecture())
    return tag


def about(folder: Path, recipe: str, tag: str, suite: str) -> None:
    """Write down what the system was made of; `tag` is "" where it carries no image."""
    write_atomic(
        folder / "box.json", json.dumps({"recipe": recipe, "image": {"tag": tag}, "suite": suite})
    )


def upstream_version(status: str) -> str:
    """busybox's version in dpkg's list of packages, without Debian's own part."""
    paragraph = next(p for p in status.split("\n\n") if p.startswith("Package: busybox-static\n"))
    line = next(line for line in paragraph.splitlines() if line.startswith("Version: "))
    return line.split(": ")[1].split(":")[-1].split("-")[0]
