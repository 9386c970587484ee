"""What `inv` shows by itself: the verbs by group, what a verb can be given, and the nearest name.

Invoke's program loads tasks.py before it looks at the verbs on the command line, and has methods
for listing and parsing that subclasses override. Its entry point `inv` offers no way to name such
a subclass, so `install` makes the running program one. The methods used are held in place by
tests/unit/cli/test_listing.py; where Invoke's program is another one, Invoke's own listing shows.

Imported on every start: nothing here may load rich, pydantic, paramiko or the Docker SDK.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Any, cast

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.main import program
from invoke.parser.context import ParserContext
from invoke.program import Program
from invoke.tasks import Task

from provision.support.encoding import write_anything
from provision.support.errors import SwarmrigError

INVALID = 2

# Invoke keeps Python from writing byte code, so each verb would compile its modules on every start.
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))


@dataclass(frozen=True)
class Choices:
    """What can be given to a verb."""

    title: str
    source: str  # "module:function", loaded when needed: lab file to (name, description) of each

    def of(self, lab_file: str) -> list[tuple[str, str]]:
        module, _, function = self.source.partition(":")
        listed: list[tuple[str, str]] = getattr(import_module(module), function)(lab_file)
        return listed


@dataclass(frozen=True)
class Menu:
    """The verbs as they are shown."""

    first: tuple[str, ...]  # to try first, on top
    groups: Mapping[str, tuple[str, ...]]  # title to verbs
    choices: Mapping[str, Choices] = field(default_factory=dict)  # verb to its argument's values
    # Verbs that take any number of arguments, each with the repeatable option of the further ones.
    more: Mapping[str, str] = field(default_factory=dict)


class ListedProgram(Program):
    """Invoke's program with Swarmrig's list of verbs and errors; 2 for all invalid input."""

    menu: Menu

    def no_tasks_given(self) -> None:
        """`inv` alone lists the verbs."""
        self.list_root, self.list_depth, self.list_format = None, None, "flat"
        self.list_flat()
        raise Exit

    def list_flat(self) -> None:
        """The verbs by group; a part of them (`inv --list node`) as Invoke lists it."""
        if self.list_root or self.list_depth:
            super().list_flat()
            return
        _print("\n".join(self._lines()))

    def parse_tasks(self) -> None:
        if self._only_lists():
            self.no_tasks_given()  # here already: the parser of all verbs takes a while to make
        self.core.unparsed[:] = self._with_more(self.core.unparsed)
        try:
            super().parse_tasks()
        except ParseError as error:
            raise Exit(self._explained(error), INVALID) from None
        except ValueError as error:  # int() has been given what is none
            raise Exit(_no_number(str(error), self.core.unparsed), INVALID) from None

    def _with_more(self, argv: list[str]) -> list[str]:
        """The arguments beyond those that a verb names, as values of its option for further ones.

        Invoke itself knows no argument that can be repeated without an option, and would take
        these for verbs.
        """
        verb = next((word for word in argv if not word.startswith("-")), "")
        option = self.menu.more.get(verb)
        if option is None:
            return argv
        task = dict(_verbs(self.collection))[verb]
        named = len([name for name in task.positional if name not in task.iterable])
        valued = {
            ("--" if len(name) > 1 else "-") + name.replace("_", "-")
            for argument in task.get_arguments()
            if argument.takes_value
            for name in argument.names
        }
        start = argv.index(verb) + 1
        found, before = argv[:start], ""
        for word in argv[start:]:
            is_value = before in valued
            if not is_value and not word.startswith("-"):
                named -= 1
                found.append(word if named >= 0 else f"--{option}={word}")
            else:
                found.append(word)
            before = "" if is_value else word
        return found

    def parse_cleanup(self) -> None:
        try:
            super().parse_cleanup()
        except ParseError as error:  # inv --help nonsense
            raise Exit(self._explained(error), INVALID) from None
        except Exit as end:  # inv --list nonsense
            raise Exit(end.message, INVALID if end.message else None) from None

    def _only_lists(self) -> bool:
        asked = self.args
        return (
            not self.core.unparsed
            and not asked.help.value
            and not asked.complete.value
            and asked.list.value in {None, True}
            and asked["list-format"].value == "flat"
            and not asked["list-depth"].value
        )

    # -- the list ---------------------------------------------------------------------------------

    def _lines(self) -> Iterator[str]:
        tasks = dict(_verbs(self.collection))
        shown = {name: _with_arguments(name, task) for name, task in tasks.items()}
        width = max(map(len, shown.values()))

        def line(name: str, before: str = "") -> str:
            return f"  {before + shown[name]:{width}}  {_summary(tasks[name])}"

        yield "Usage: inv VERB [ARGUMENTS]    (inv --help VERB shows a verb's options)"
        yield "\nTry first:"
        yield from (line(name, "inv ") for name in self.menu.first)
        for title, names in self.menu.groups.items():
            yield f"\n{title}:"
            yield from (line(name) for name in names)

    # -- errors -----------------------------------------------------------------------------------

    def _explained(self, error: ParseError) -> str:
        write_anything()
        text, context = str(error), error.context
        if unknown := re.fullmatch(r"No idea what '(.*)' is!", text, re.DOTALL):
            return self._unknown(unknown[1], context)
        if context is not None and context.name and context.missing_positional_args:
            return self._missing(context, context.name)
        if flag := re.search(r"Flag <Argument: (\S+).*> needed value", text):
            return f"--{flag[1]} needs a value."
        return text

    def _unknown(self, given: str, context: ParserContext | None) -> str:
        from provision.support.text import did_you_mean  # noqa: PLC0415

        verb = context.name if context is not None else None
        if given.startswith("-"):
            known = list(self.initial_context.flags)
            if context is not None and verb:
                known = [*context.flags, *known]
            where = f"inv {verb} has no option {given}" if verb else f"There is no option {given}"
            return _sentence(where, did_you_mean(given, known), f"inv --help {verb or ''}".strip())
        tasks = dict(_verbs(self.collection))
        if members := [name for name in tasks if name.startswith(f"{given}.")]:
            rows = [(_with_arguments(name, tasks[name]), _summary(tasks[name])) for name in members]
            return "\n".join([f"inv {given} needs one of:", *_columns(rows)])
        where = f"There is no verb {given!r}"
        if verb:
            where += f", and inv {verb} takes no further argument"
        return _sentence(where, did_you_mean(given, list(tasks)), "inv --list")

    def _missing(self, context: ParserContext, verb: str) -> str:
        wanted = " and ".join(str(arg.name).upper() for arg in context.missing_positional_args)
        needs = f"inv {verb} needs {wanted}."
        choices = self.menu.choices.get(verb)
        if choices is None:
            return f"{needs}\n  See: inv --help {verb}"
        lab = context.args["lab"].value if "lab" in context.args else ""
        try:
            rows = choices.of(lab or "")
        except SwarmrigError as error:
            return f"{needs}\n{error.report()}"
        return "\n".join([f"{needs} {choices.title}:", *(_columns(rows) or ["  (none)"])])


def install(menu: Menu) -> None:
    """Let the running `inv` show its verbs by this menu."""
    if type(program) in {Program, ListedProgram}:
        program.__class__ = ListedProgram
        cast(ListedProgram, program).menu = menu


def _no_number(error: str, argv: list[str]) -> str:
    """An option that takes a whole number, and was given something else."""
    found = re.search(r"'(.*)'$", error)
    given = found[1] if found else ""
    for before, token in pairwise(["", *argv]):
        flag, equals, value = token.partition("=")
        if (value if equals else token) == given:
            return f"{flag if equals else before}: given {given!r}; allowed: a whole number"
    return error


def _verbs(collection: Collection, prefix: str = "") -> Iterator[tuple[str, Task[Any]]]:
    """Every verb with its full name."""
    for name, task in collection.tasks.items():
        # A collection's default verb has the collection's own name: `inv puzzle`.
        default = prefix and name == collection.default
        yield prefix.removesuffix(".") if default else f"{prefix}{name}", task
    for name, below in collection.collections.items():
        yield from _verbs(below, f"{prefix}{name}.")


def _with_arguments(name: str, task: Task[Any]) -> str:
    return " ".join([name, *(a.upper() for a in task.positional if a not in task.iterable)])


def _summary(task: Task[Any]) -> str:
    """The first line of the verb's help."""
    return (task.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:{width}}  {text}".rstrip() for name, text in rows]


def _sentence(problem: str, near: str, otherwise: str) -> str:
    return f"{problem}: {near}" if near else f"{problem}. See: {otherwise}"


def _print(text: str) -> None:
    """Print, also into a pipe whose reader has seen enough (`inv | head -1`)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
