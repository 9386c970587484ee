"""Errors are for people: what is wrong, where, and what to do; each knows its exit code."""

from __future__ import annotations


class SwarmrigError(Exception):
    """The root of everything Swarmrig says on purpose.

    `str(error)` is one or two lines: what is wrong and where (file, key, machine, step).
    `advice` is the next thing to do, printed on a line of its own.
    """

    exit_code = 3

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def report(self) -> str:
        """The message, and beneath it what to do."""
        return f"{self}\n  {self.advice}" if self.advice else str(self)


class UserError(SwarmrigError):
    """Invalid input: a wrong lab.toml, an unknown name, a flag (exit code 2)."""

    exit_code = 2


class DefinitionError(UserError):
    """One or more mistakes in a lab file: a line for each, with file, key, given, allowed."""

    def __init__(self, problems: list[str], advice: str = "") -> None:
        super().__init__("\n".join(problems), advice)
        self.problems = problems


class CheckFailed(SwarmrigError):
    """A scenario saw something other than what had to be seen (exit code 1)."""

    exit_code = 1


class MachineError(SwarmrigError):
    """A machine, or a tool that makes machines, failed (exit code 3)."""


class MachinesError(MachineError):
    """Several machines were worked on at once and some failed: each is named with its own error.

    `failures` maps a machine's name to its error; `succeeded` lists the machines that went well,
    so that nobody has to guess what state those are in.
    """

    def __init__(
        self,
        what: str,
        failures: dict[str, BaseException],
        succeeded: list[str],
        advice: str = "",
        note: str = "",
    ) -> None:
        lines = [f"{what} failed on {', '.join(failures)}:"]
        # A machine's own errors begin with its name already.
        lines += [
            f"  {name}: {str(error).removeprefix(f'{name}: ')}" for name, error in failures.items()
        ]
        if succeeded:
            lines.append(f"  done on: {', '.join(succeeded)}")
        if note:
            lines.append(f"  {note}")
        advices = [error.advice for error in failures.values() if isinstance(error, SwarmrigError)]
        super().__init__("\n".join(lines), advice or next((a for a in advices if a), ""))
        self.failures = failures
        self.succeeded = succeeded
