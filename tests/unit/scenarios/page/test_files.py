"""What a browser loads: the project's own files, and those of others as they came."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.page.server import STATIC

VENDOR = STATIC / "vendor"
CLONE = Path(__file__).parents[4]


def test_files_of_others_are_as_they_came_with_their_licence() -> None:
    packages = json.loads((VENDOR / "vendored.json").read_text(encoding="utf-8"))
    listed = {"vendored.json"}
    for package in packages:
        assert package["licence"] == "MIT"
        assert package["integrity"].startswith("sha512-")
        assert any("LICENSE" in file["to"] for file in package["files"])
        for file in package["files"]:
            listed.add(file["to"])
            data = (VENDOR / file["to"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"], file["to"]
    assert {file.name for file in VENDOR.iterdir()} == listed


def test_all_of_it_is_small() -> None:
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) <= 500_000


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in STATIC.glob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|url\(", text), file.name
    for file in VENDOR.glob("*.css"):
        assert "url(" not in file.read_text(encoding="utf-8")


OF_THE_PAGE = {"scenarios.page", "starlette", "uvicorn", "websockets", "anyio", "markdown_it"}


def loaded_by(*words: str) -> set[str]:
    """The modules that a verb loads, with what it is part of."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "invoke", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=CLONE,
    )
    names = re.findall(r"^import time: .*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    parts = [name.split(".") for name in names]
    return {".".join(name[:end]) for name in parts for end in range(1, len(name) + 1)}


@pytest.mark.parametrize("words", [["--list"], ["status"], ["check", "overlay"]])
def test_other_verbs_do_not_load_it(words: list[str], tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    lab.write_text('name = "t"\nprovider = "libvirt"\n')
    loaded = loaded_by(*words, *([] if words == ["--list"] else [f"--lab={lab}"]))
    assert "invoke" in loaded
    assert words == ["--list"] or "provision.lab.load" in loaded
    assert loaded & OF_THE_PAGE == set()


def test_its_own_verb_does() -> None:
    # With no exercise of that name it ends at once.
    assert OF_THE_PAGE - {"anyio", "websockets"} <= loaded_by("learn", "nothing")
