"""What holds for the whole repository: its scripts, lock files and documents."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


SCRIPTS = [
    ".ci/install",
    ".ci/run",
    "tests/bench/by_hand/overlay.sh",
    "tests/vm/arm64_host/mmdebstrap",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_valid_and_may_be_run(script: str) -> None:
    subprocess.run(["bash", "-n", str(CLONE / script)], check=True)
    assert (CLONE / script).stat().st_mode & stat.S_IXUSR


def test_the_environment_of_another_clone_is_not_emptied(tmp_path: Path) -> None:
    """`python -m venv --clear` follows a link, and removes what it leads to."""
    clone, other = tmp_path / "clone", tmp_path / "other"
    (clone / ".ci").mkdir(parents=True)
    install = clone / ".ci" / "install"
    install.write_bytes((CLONE / ".ci" / "install").read_bytes())
    (other / "bin").mkdir(parents=True)
    (clone / ".venv").symlink_to(other)
    done = subprocess.run(
        ["/bin/bash", str(install), "test"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f".venv is a link to {other}" in done.stderr
    assert list(other.iterdir()) == [other / "bin"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_a_hash_for_everything_and_names_no_registry(lock: str) -> None:
    text = (CLONE / lock).read_text()
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links|\bfile:", text)
    pinned = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in package for package in pinned)


def test_every_run_time_dependency_is_locked_and_justified() -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    reasons = (CLONE / "docs" / "dependencies.md").read_text()
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=\[ ]", requirement)[0]
        assert f"| {name} |" in reasons
        for lock in LOCKS:
            assert re.search(rf"^{name}==", (CLONE / lock).read_text(), re.MULTILINE), name


DOCUMENTS = [*CLONE.glob("*.md"), *CLONE.glob("docs/*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(CLONE)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text()):
        path, _, heading = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE) if heading else []
        slugs = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
        assert not heading or heading in slugs, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(CLONE)))
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    places = r"`((?:provision|scenarios|tests|docs|\.ci)/[\w./*-]*)`"
    for named in re.findall(places, document.read_text()):
        assert list(CLONE.glob(named.rstrip("/"))), named


def test_every_page_is_in_the_readmes_table() -> None:
    readme = (CLONE / "README.md").read_text()
    for page in CLONE.glob("docs/*.md"):
        assert f"](docs/{page.name})" in readme, page.name


def test_every_switch_of_long_tests_is_set_by_one_command() -> None:
    asks = re.compile(r"""environ\.get\("(SWARMRIG_[A-Z]+)"\) [!=]= "all\"""")
    texts = [file.read_text() for file in CLONE.glob("tests/**/*.py")]
    switches = {switch for text in texts for switch in asks.findall(text)}
    rule = re.search(r"^test-all:.*\n\t(.+)$", (CLONE / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert switches == set(re.findall(r"(SWARMRIG_[A-Z]+)=all", rule[1]))
    assert {"SWARMRIG_FAULTS", "SWARMRIG_VM"} <= switches


def test_pre_commit_runs_what_make_lint_runs() -> None:
    hooks = re.findall(r"^ +entry: (.+)$", (CLONE / ".pre-commit-config.yaml").read_text(), re.M)
    rule = re.search(r"^lint:.*\n((?:\t.*\n)+)", (CLONE / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert hooks == [line.strip().removeprefix("@") for line in rule[1].splitlines()]


@pytest.mark.parametrize("package", ["provision", "scenarios"])
def test_no_text_is_read_or_written_in_the_encoding_of_the_host(package: str) -> None:
    """A Windows console's cp1252, or the C locale, would read another name of a folder."""
    found = [
        f"{file.relative_to(CLONE)}:{node.lineno}"
        for file in sorted(CLONE.glob(f"{package}/**/*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"read_text", "write_text"}
        and not {"encoding"} & {word.arg for word in node.keywords}
    ]
    assert found == []
