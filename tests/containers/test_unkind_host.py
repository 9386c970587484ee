"""The life of a lab on a host that is unkind in every way that can be set on one machine at once.

The folder's name, the language, the encoding, the file mode, the temporary folder and the variables
that other tools read are all other than a developer has them. A value that leaks through ends
somewhere else than in the lab: in other machines, another folder, a message in another language.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.outer import CLONE, INV, Lab, Outer
from tests.support.german import desktop

# Blank, quotes of both kinds, percent, umlaut, dollar, brackets: each means something to a shell,
# to Ruby, to OpenSSH's settings or to a format string.
FOLDER = 'Jörg\'s "100%" Übung $HOME #{1} [a] ~ %d'
READY = [("running", "ready (leader)"), ("running", "ready")]


@pytest.fixture(scope="module")
def unkind(outer: Outer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    top = tmp_path_factory.mktemp("unkind")
    real = top / "real" / FOLDER
    real.mkdir(parents=True)
    for name in ("tmp %h 'x'", "elsewhere", "home"):
        (top / name).mkdir()
    # Another lab's Vagrantfile, which must not be taken for this one's.
    (top / "elsewhere" / "Vagrantfile").write_text("raise 'the Vagrantfile of somebody else'\n")
    link = top / "a link"
    link.symlink_to(top / "real", target_is_directory=True)
    foreign = {
        **desktop(),
        "PYTHONIOENCODING": "ascii",
        "PYTHONWARNINGS": "error",
        "PYTHONPATH": str(top / "elsewhere"),
        "PYTHONHASHSEED": "7",
        "COLUMNS": "20",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "TMPDIR": str(top / "tmp %h 'x'"),
        "VAGRANT_DEFAULT_PROVIDER": "virtualbox",
        "VAGRANT_PREFERRED_PROVIDERS": "vmware_desktop",
        "VAGRANT_CWD": str(top / "elsewhere"),
        "VAGRANT_VAGRANTFILE": "Vagrantfile.of.somebody.else",
        "VAGRANT_DOTFILE_PATH": str(top / "elsewhere" / "dot"),
        "VAGRANT_LOG": "warn",
        "VAGRANT_FORCE_COLOR": "1",
        "VAGRANT_DEFAULT_TEMPLATE": "/nowhere.erb",
        "VAGRANT_ALIAS_FILE": "/nowhere",
        "RUBYOPT": "-W0",
        "DOCKER_CONTEXT": "",
        "DOCKER_DEFAULT_PLATFORM": "",
        "COMPOSE_PROJECT_NAME": "somebody-else",
        "SSH_AUTH_SOCK": "/nowhere/agent",
        "SSH_ASKPASS": "/nowhere/askpass",
        "GIT_DIR": "/nowhere",
        "CDPATH": str(top),
        "GREP_OPTIONS": "--color=always",
        "IFS": "/",
        "POSIXLY_CORRECT": "1",
        "INVOKE_RUN_ECHO": "1",
        "INVOKE_TASKS_COLLECTION_NAME": "tasks",
    }
    lab = UnkindLab(outer, link / FOLDER, foreign)
    yield lab
    lab.inv("destroy")


class UnkindLab(Lab):
    """Its commands see the foreign variables, and make files that nobody else may read."""

    def __init__(self, outer: Outer, folder: Path, foreign: dict[str, str]) -> None:
        super().__init__(outer, folder, "unkind")
        self.foreign = foreign

    def inv(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.outer.command(["sh", "-c", 'umask 077; exec "$@"', "sh", INV, *args]),
            check=False,
            capture_output=True,
            # As bytes come: an encoding other than ASCII would be a failure of its own.
            encoding="ascii",
            timeout=900,
            stdin=subprocess.DEVNULL,
            cwd=CLONE,
            env={**self.outer.environment(SWARMRIG_LAB=str(self.file)), **self.foreign},
        )


def test_doctor_finds_what_it_needs(unkind: Lab) -> None:
    assert "provider docker: can be used" in unkind.must("doctor")


def test_up_ends_in_a_swarm_of_two(unkind: Lab) -> None:
    said = unkind.must("up")
    assert "is up: 2 machines" in said
    assert "Warning" not in said
    assert unkind.states() == READY
    assert len(unkind.nodes()) == 2


def test_all_that_was_written_lies_in_the_labs_folder(unkind: Lab) -> None:
    top = unkind.folder.parent.parent
    assert sorted(path.name for path in (top / "elsewhere").iterdir()) == ["Vagrantfile"]
    assert list((top / "tmp %h 'x'").iterdir()) == []
    assert {path.name for path in unkind.folder.iterdir()} == {
        "lab.toml",
        ".swarmrig",
        "swarmrig.lock",
    }


def test_a_command_on_a_machine_reaches_it_as_it_was_given(unkind: Lab) -> None:
    assert "machine2: 100% of $HOME" in unkind.on("machine2", "echo $(hostname): '100% of $HOME'")


def test_the_exercise_passes_with_its_report(unkind: Lab) -> None:
    assert "PASSED" in unkind.must("scenario", "overlay")
    (record,) = unkind.folder.glob("reports/*/*/report.json")
    assert json.loads(record.read_text(encoding="utf-8"))["verdict"] == "passed"
    assert (record.parent / "report.html").stat().st_size > 10_000


def test_rebuild_brings_it_back(unkind: Lab) -> None:
    before = unkind.nodes()
    unkind.must("rebuild")
    assert unkind.states() == READY
    assert set(unkind.nodes()).isdisjoint(before)


def test_logs_are_collected(unkind: Lab) -> None:
    unkind.must("logs")
    assert list(unkind.folder.glob("reports/*/*.tar.gz"))


def test_destroy_leaves_nothing(unkind: Lab, outer: Outer) -> None:
    unkind.must("destroy")
    left = outer.belongings()
    assert not [name for names in left.values() for name in names if "unkind" in name]
    assert not (unkind.folder / ".swarmrig").exists()
