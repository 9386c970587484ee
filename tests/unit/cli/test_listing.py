"""`inv` by itself, a verb without its argument, and names that do not exist."""

from __future__ import annotations

import inspect
import re
import subprocess
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.main import program
from invoke.parser import Parser
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program

import tasks
from provision.cli import listing
from tests.unit.cli.test_cli import CLONE, inv

HOSTS = """
provider = "hosts"
[[machines]]
name = "web"
address = "192.0.2.1"
[[machines]]
name = "db"
address = "192.0.2.2"
"""
GROUPS = (
    "Try first:",
    "Lab:",
    "Scenarios:",
    "Typing an exercise:",
    "Swarm:",
    "Faults:",
    "This host:",
)


@pytest.fixture
def lab(tmp_path: Path) -> str:
    file = tmp_path / "lab.toml"
    file.write_text(HOSTS)
    return str(file)


# -- the list -------------------------------------------------------------------------------------


def test_inv_alone_and_its_list_show_the_same() -> None:
    alone, listed = inv(), inv("--list")
    assert (alone.returncode, listed.returncode) == (0, 0)
    assert alone.stdout == listed.stdout == inv("-l").stdout
    assert alone.stderr == ""


def test_the_verbs_are_grouped_with_what_to_try_on_top() -> None:
    lines = inv().stdout.splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == list(GROUPS)
    first = lines.index("Try first:") + 1
    assert [line.split()[:2] for line in lines[first : first + 4]] == [
        ["inv", "doctor"],
        ["inv", "lab"],
        ["inv", "destroy"],
        [],
    ]


def test_every_verb_has_one_place_and_one_line_of_80_columns() -> None:
    verbs = [name for name, _ in listing._verbs(tasks.namespace)]
    placed = [name for names in program.menu.groups.values() for name in names]  # type: ignore[attr-defined]
    assert sorted(placed) == sorted(verbs)
    out = inv(COLUMNS="80").stdout
    assert all(len(line) < 80 for line in out.splitlines())
    assert out == inv(COLUMNS="40").stdout == inv(COLUMNS="200").stdout
    assert "\x1b" not in out
    for verb in verbs:
        assert len(re.findall(rf"^  {re.escape(verb)} .*[a-z`]$", out, re.MULTILINE)) == 1, verb


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail; .venv/bin/inv --list | true"],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_group_of_verbs_can_be_listed_and_all_of_them_as_json() -> None:
    assert ".drain" in inv("--list", "node").stdout
    assert inv("--list", "--list-format=json").stdout.startswith("{")
    done = inv("--list", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


# -- a verb without its argument ------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["scenario", "reproduce"])
def test_scenarios_are_listed_with_their_titles(verb: str) -> None:
    done = inv(verb)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"inv {verb} needs NAME. Scenarios:\n")
    assert "\n  overlay     Overlay networks between two hosts\n" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_flags_do_not_stand_in_for_a_name(flags: tuple[str, ...]) -> None:
    assert "Scenarios:" in inv("scenario", *flags).stderr


@pytest.mark.parametrize(
    "verb", ["ssh", "node.drain", "node.activate", "node.promote", "node.demote"]
)
def test_the_labs_machines_are_listed(verb: str, lab: str) -> None:
    done = inv(verb, SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert done.stderr == (f"inv {verb} needs MACHINE. Machines:\n  web  manager\n  db   worker\n")
    assert inv(verb, "--lab", lab).stderr == done.stderr


@pytest.mark.parametrize("verb", ["checkpoint.save", "checkpoint.restore", "checkpoint.delete"])
def test_without_checkpoints_the_reason_is_given(verb: str, lab: str) -> None:
    done = inv(verb, SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert done.stderr.startswith(f"inv {verb} needs NAME.\n")
    assert len(done.stderr.splitlines()) > 1
    assert "Traceback" not in done.stderr


def test_checkpoints_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "provision.cli.choices.checkpoints", lambda _: [("ready", "2026-11-24"), ("mine", "")]
    )
    said = explained("checkpoint.restore")
    assert said == "inv checkpoint.restore needs NAME. Checkpoints:\n  ready  2026-11-24\n  mine"


def test_reports_are_listed_newest_first(lab: str) -> None:
    for run in ("20260101T000000Z-overlay", "20260102T000000Z-weave"):
        folder = Path(lab).parent / "reports" / "book" / run
        folder.mkdir(parents=True)
        (folder / "report.json").touch()
    done = inv("same", SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert done.stderr.startswith("inv same needs FIRST and SECOND. Reports, newest first:\n")
    assert done.stderr.index("20260102T000000Z-weave") < done.stderr.index("T000000Z-overlay")
    assert "inv compare needs SECOND." in inv("compare", "overlay", SWARMRIG_LAB=lab).stderr


def test_a_lab_file_with_mistakes_is_reported_with_them(lab: str) -> None:
    Path(lab).write_text('name = "X"\n')
    done = inv("ssh", SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert 'lab.toml: name: given "X"' in done.stderr


def test_every_verb_that_needs_an_argument_lists_what_it_takes() -> None:
    for name, task in listing._verbs(tasks.namespace):
        needs = [arg for arg in task.positional if arg not in task.iterable]
        assert bool(needs) == (name in program.menu.choices), name  # type: ignore[attr-defined]


# -- names that do not exist ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["scenaro"], "There is no verb 'scenaro': did you mean 'scenario'?\n"),
        (["node.drian"], "There is no verb 'node.drian': did you mean 'node.drain'?\n"),
        (["xyzzy"], "There is no verb 'xyzzy'. See: inv --list\n"),
        (["--help", "scenaro"], "There is no verb 'scenaro': did you mean 'scenario'?\n"),
        (
            ["scenario", "overlay", "xyzzy"],
            "There is no verb 'xyzzy', and inv scenario takes no further argument. "
            "See: inv --list\n",
        ),
        (["up", "--dry-rum"], "inv up has no option --dry-rum: did you mean '--dry-run'?\n"),
        (["up", "--xyzzy"], "inv up has no option --xyzzy. See: inv --help up\n"),
        (["up", "--xyzzy=1"], "inv up has no option --xyzzy. See: inv --help up\n"),
        (["--lisst"], "There is no option --lisst: did you mean '--list'?\n"),
        (["up", "--lab"], "--lab needs a value.\n"),
        (["up", "--parallel", "x"], "--parallel: given 'x'; allowed: a whole number\n"),
        (
            ["fault.delay", "m", "--ms=1.5"],
            "--ms: given '1.5'; allowed: a whole number\n",
        ),
    ],
)
def test_the_nearest_name_is_suggested_in_one_line(given: list[str], said: str) -> None:
    done = inv(*given)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_group_alone_lists_its_verbs() -> None:
    done = inv("node")
    assert done.returncode == 2
    assert done.stderr.startswith("inv node needs one of:\n")
    assert "\n  node.drain MACHINE " in done.stderr


# -- what is relied on of Invoke ------------------------------------------------------------------


def explained(*argv: str) -> str:
    """What is said of a command line that cannot be parsed."""
    assert isinstance(program, listing.ListedProgram)
    contexts = tasks.namespace.to_contexts()
    with pytest.raises(ParseError) as caught:
        Parser(initial=program.initial_context, contexts=contexts).parse_argv(list(argv))
    program.collection = tasks.namespace
    return program._explained(caught.value)


def test_the_methods_that_are_overridden_are_invokes_and_called_after_tasks_are_loaded() -> None:
    for name in ("no_tasks_given", "list_flat", "parse_tasks", "parse_cleanup"):
        ours, theirs = getattr(listing.ListedProgram, name), getattr(Program, name)
        assert list(inspect.signature(ours).parameters) == list(
            inspect.signature(theirs).parameters
        )
    order = re.findall(r"self\.(\w+)\(", inspect.getsource(Program.run))
    assert order.index("parse_collection") < order.index("parse_tasks")
    assert order.index("parse_tasks") < order.index("parse_cleanup") < order.index("execute")
    assert "self.no_tasks_given()" in inspect.getsource(Program.parse_cleanup)


def test_invokes_parser_says_what_the_explanations_are_made_from() -> None:
    contexts = [ParserContext("verb", args=[Argument("name", positional=True), Argument("lab")])]

    def said(*argv: str) -> ParseError:
        with pytest.raises(ParseError) as caught:
            Parser(contexts=contexts).parse_argv(list(argv))
        return caught.value

    assert str(said("other")) == "No idea what 'other' is!"
    missing = said("verb")
    assert missing.context is not None
    assert missing.context.name == "verb"
    assert [arg.name for arg in missing.context.missing_positional_args] == ["name"]
    assert re.search(r"Flag <Argument: lab.*> needed value", str(said("verb", "x", "--lab")))
