"""Archives of images, and references to them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from provision.engine import images
from provision.lab import load
from provision.lab.model import Lab
from provision.providers.boxes.busybox import write_archive
from provision.support.errors import UserError


def test_a_saved_archive_tells_its_tags_and_ids(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\necho sh\necho ping\n")
    busybox.chmod(0o755)
    made = write_archive(busybox, tmp_path / "a.tar", "x/y:1")
    assert images.archive_tags(tmp_path / "a.tar") == {"x/y:1": made}
    again = write_archive(busybox, tmp_path / "b.tar", "x/y:1")
    assert made == again
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert "manifest.json" in tar.getnames()


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("no")
    with pytest.raises(UserError, match="not a `docker save` archive"):
        images.archive_tags(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("alpine", "alpine", ""),
        ("alpine:3.20", "alpine", "3.20"),
        ("host:5000/team/alpine", "host:5000/team/alpine", ""),
        ("host:5000/team/alpine:3.20", "host:5000/team/alpine", "3.20"),
    ],
)
def test_a_registrys_port_is_no_tag(reference: str, name: str, tag: str) -> None:
    split = images._split_tag(reference)
    assert (split[0], split[-1]) == (name, tag)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    file = tmp_path / "lab.toml"
    file.write_text("[machines]\ncount = 3\n")
    return load.load(file)


def test_an_image_is_brought_only_where_it_is_not(lab: Lab) -> None:
    seen = {"machine1": images.Facts({"alpine:latest": "sha256:1"}), "machine2": images.Facts({})}
    found = images.plan(lab, seen)
    assert [(change.machine, change.what) for change in found] == [
        ("machine2", "pull alpine:latest")
    ]


def test_a_box_that_carries_its_image_asks_no_registry(lab: Lab) -> None:
    seen = {"machine1": images.Facts({}, carried="x/y:1")}
    (change,) = images.plan(lab, seen)
    assert change.what == "load x/y:1, which its box carries"
    assert images.plan(lab, {"machine1": images.Facts({"x/y:1": "i"}, carried="x/y:1")}) == []
