"""swarmrig.lock: what a lab is made of, kept per lab, provider and architecture."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from provision.diagnostics import versions
from provision.lab import load, lockfile
from provision.lab.lockfile import Box, Entry, Image
from provision.lab.model import Lab
from provision.lifecycle import lock
from provision.providers.boxes import locked, select
from provision.providers.boxes.store import checksum, store
from provision.providers.virtualbox.backend import VirtualBox
from provision.support import architecture
from provision.support.errors import UserError

ENTRY = Entry(
    asked={},
    box=Box("debian/bookworm64", "12.1", "sha256:" + "a" * 64),
    engines={"machine1": "28.2.2", "machine2": "28.2.2"},
    image=Image("alpine:latest", "sha256:1", "sha256:2"),
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant"))
    monkeypatch.setattr(versions, "provider_tools", lambda provider: {provider: "1"})


def lab(folder: Path, text: str = "") -> Lab:
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


def entry(of: Lab, **more: Any) -> Entry:
    return dataclasses.replace(ENTRY, asked=lockfile.asked(of), **more)


def kept(of: Lab, seen: Entry) -> list[str]:
    return lock.keep(of, "libvirt", seen, lockfile.read(of, "libvirt"))


def check(of: Lab, name: str, version: str) -> None:
    locked.check_box(of, "libvirt", (name, version), lockfile.read(of, "libvirt"))


def wanted(of: Lab) -> str:
    return lockfile.engine_wanted(of, lockfile.read(of, "libvirt"))


def stored(name: str, version: str, content: bytes, provider: str = "libvirt") -> None:
    file = store() / name.replace("/", "-VAGRANTSLASH-") / version / provider / "box.img"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_the_first_up_writes_it_and_the_next_tells_only_what_differs(tmp_path: Path) -> None:
    mine = lab(tmp_path)
    assert "is written" in kept(mine, entry(mine))[0]
    text = lockfile.file(mine).read_text()
    assert kept(mine, entry(mine)) == []
    told = kept(
        mine,
        entry(mine, engines={"machine1": "28.2.2", "machine2": "28.3.0"}),
    )
    assert told[0] == ("differs from swarmrig.lock: Docker on machine2: locked 28.2.2, here 28.3.0")
    assert "inv lock --update" in told[1]
    assert lockfile.file(mine).read_text() == text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"box": Box("debian/bookworm64", "12.2", "")}, "box: locked debian/bookworm64 12.1"),
        ({"box": None}, "box: locked debian/bookworm64 12.1, here none"),
        ({"image": Image("alpine:latest", "sha256:9", "")}, "image id: locked sha256:1"),
        ({"image": Image("busybox", "sha256:1", "")}, "image: locked alpine:latest, here busybox"),
        ({"plugins": {"p": "sha256:2"}}, "plugin p: locked sha256:1, here sha256:2"),
        ({"tools": {"vagrant": "2.4"}}, "vagrant: locked 2.3, here 2.4"),
    ],
)
def test_each_difference_is_told(more: dict[str, Any], said: str) -> None:
    locked = dataclasses.replace(ENTRY, plugins={"p": "sha256:1"}, tools={"vagrant": "2.3"})
    seen = dataclasses.replace(locked, **more)
    (line,) = lockfile.differences(locked, seen)
    assert said in line
    assert lockfile.differences(locked, locked) == []


def test_labs_providers_and_architectures_have_entries_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lab(tmp_path)
    lockfile.write(one, "libvirt", entry(one))
    other = lab(tmp_path, 'name = "other"\n')
    lockfile.write(other, "libvirt", entry(other, box=None))
    lockfile.write(other, "virtualbox", entry(other))
    monkeypatch.setattr(architecture, "debian_architecture", lambda: "arm64")
    assert lockfile.read(other, "libvirt") is None
    monkeypatch.undo()
    labs = json.loads(lockfile.file(one).read_text())["labs"]
    assert {name: len(entries) for name, entries in labs.items()} == {"book": 1, "other": 2}


def test_another_wish_in_lab_toml_is_another_entry(tmp_path: Path) -> None:
    mine = lab(tmp_path)
    lockfile.write(mine, "libvirt", entry(mine))
    assert lockfile.read(mine, "libvirt") == entry(mine)
    changed = lab(tmp_path, '[docker]\nversion = "28.2.2"\n')
    assert lockfile.read(changed, "libvirt") is None
    assert "is written" in kept(changed, entry(changed))[0]


@pytest.mark.parametrize("text", ["", "no", "[]", '{"version": 2, "labs": {}}', '{"version": 1}'])
def test_a_file_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path, text: str) -> None:
    mine = lab(tmp_path)
    lockfile.file(mine).write_text(text)
    with pytest.raises(UserError, match=r"swarmrig\.lock: cannot be read") as caught:
        lockfile.read(mine, "libvirt")
    assert "version control" in caught.value.advice


def test_a_box_of_other_content_is_refused(tmp_path: Path) -> None:
    mine = lab(tmp_path)
    stored("debian/bookworm64", "12.1", b"disk")
    there = locked.box_of(mine, "libvirt", "debian/bookworm64", "12.1")
    assert there.checksum.startswith("sha256:")
    lockfile.write(mine, "libvirt", entry(mine, box=there))
    check(mine, "debian/bookworm64", "12.1")
    stored("debian/bookworm64", "12.1", b"another disk")
    with pytest.raises(UserError, match="is not the one that was locked") as caught:
        check(mine, "debian/bookworm64", "12.1")
    assert "inv lock --update" in caught.value.advice
    assert caught.value.exit_code == 2
    # Another version is another box: that is told after `up`, and stops nothing.
    check(mine, "debian/bookworm64", "12.2")


def test_a_box_built_here_has_other_bytes_on_each_host(tmp_path: Path) -> None:
    mine = lab(tmp_path)
    stored("swarmrig/debian13", "13.1", b"disk")
    there = locked.box_of(mine, "libvirt", "swarmrig/debian13", "13.1")
    lockfile.write(mine, "libvirt", entry(mine, box=there))
    stored("swarmrig/debian13", "13.1", b"another disk")
    check(mine, "swarmrig/debian13", "13.1")
    now = locked.box_of(mine, "libvirt", "swarmrig/debian13", "13.1")
    assert lockfile.differences(entry(mine, box=there), entry(mine, box=now)) == [
        "box swarmrig/debian13 13.1: built here, with other bytes"
    ]


def test_a_box_that_is_a_file_is_known_by_its_place_in_the_lab(tmp_path: Path) -> None:
    (tmp_path / "my.box").write_bytes(b"box")
    mine = lab(tmp_path, 'box = "my.box"\n')
    there = locked.box_of(mine, "libvirt", str(tmp_path / "my.box"), "")
    assert (there.name, there.version) == ("my.box", "")
    lockfile.write(mine, "libvirt", entry(mine, box=there))
    (tmp_path / "my.box").write_bytes(b"another")
    with pytest.raises(UserError, match=r"box my\.box  ?is not the one that was locked"):
        check(mine, str(tmp_path / "my.box"), "")


def test_the_locked_box_is_taken_before_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "unreachable", lambda: "no network")
    mine = lab(tmp_path)
    stored("bento/debian-13", "2", b"newest", "virtualbox")
    stored("bento/debian-13", "1", b"locked", "virtualbox")
    assert select.choose(mine, VirtualBox(), print).version is None
    chosen = select.choose(mine, VirtualBox(), print, ("bento/debian-13", "1"))
    assert (chosen.name, chosen.version) == ("bento/debian-13", "1")
    # One that can be had nowhere does not stop a lab for which there is another.
    assert select.choose(mine, VirtualBox(), print, ("bento/debian-13", "3")).version is None
    monkeypatch.setattr(select, "unreachable", lambda: "")
    assert select.choose(mine, VirtualBox(), print, ("bento/debian-13", "3")).version == "3"


def test_a_part_of_a_version_in_lab_toml_means_the_locked_one(tmp_path: Path) -> None:
    mine = lab(tmp_path, '[docker]\nversion = "28.2"\n')
    assert wanted(mine) == "28.2"
    lockfile.write(mine, "libvirt", entry(mine))
    assert wanted(mine) == "28.2.2"
    distribution = lab(tmp_path)
    lockfile.write(distribution, "libvirt", entry(distribution))
    assert wanted(distribution) == "distribution"


def test_an_update_without_a_lab_forgets_the_entry(tmp_path: Path) -> None:
    mine = lab(tmp_path)
    lockfile.write(mine, "libvirt", entry(mine))
    lockfile.write(mine, "libvirt", None)
    assert lockfile.read(mine, "libvirt") is None
    assert json.loads(lockfile.file(mine).read_text())["labs"] == {}


def test_a_checksum_is_taken_again_only_when_the_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored("a/b", "1", b"disk")
    first = checksum("a/b", "libvirt", "1")
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert checksum("a/b", "libvirt", "1") == first
    assert checksum("a/b", "libvirt", "2") == ""


def test_a_script_that_has_changed_is_told_and_voids_nothing(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("one")
    mine = lab(tmp_path, "provision = 'setup.sh'")
    kept(mine, entry(mine, scripts=mine.scripts))
    (tmp_path / "setup.sh").write_text("two")
    again = lab(tmp_path, "provision = 'setup.sh'")
    told = kept(again, entry(again, scripts=again.scripts))
    assert told[0] == (
        f"differs from swarmrig.lock: script setup.sh: locked {mine.scripts['setup.sh']}, "
        f"here {hashlib.sha256(b'two').hexdigest()}"
    )


def test_no_password_of_a_proxy_is_in_it(tmp_path: Path) -> None:
    mine = lab(tmp_path, "[proxy]\nhttp = 'http://me:sesame@proxy:3128'")
    kept(mine, entry(mine))
    assert "sesame" not in lockfile.file(mine).read_text()


def test_the_box_of_a_single_machine_is_part_of_what_was_asked(tmp_path: Path) -> None:
    two = "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\n"
    mine = lab(tmp_path, two)
    kept(mine, entry(mine))
    assert "is written" in kept(other := lab(tmp_path, f"{two}box = 'x/y'"), entry(other))[0]
