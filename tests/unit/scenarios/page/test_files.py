"""What a browser loads: the project's own files, and those of others as they came."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

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


def test_other_verbs_do_not_load_it() -> None:
    code = (
        "import sys, tasks; tasks.overview.show, tasks.learning.check; "
        "print({'starlette', 'uvicorn', 'websockets', 'markdown_it'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=CLONE
    )
    assert done.stdout.strip() == "set()"
