"""What the tasks have in common: errors for people, exit codes, the lab file."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from invoke.exceptions import Exit

from provision.support.encoding import write_anything
from provision.support.errors import SwarmrigError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130


def report_errors(verb: Callable[P, R]) -> Callable[P, R]:
    """End a task as a person expects: the error in a line or two and its exit code.

    2 for the user's mistake, 1 for a failed check, 3 for a machine or tool that failed, 130 after
    Ctrl-C. With SWARMRIG_DEBUG=1, or `--debug` among invoke's own flags, the traceback is shown.
    """

    @functools.wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        write_anything()
        try:
            return verb(*args, **kwargs)
        except KeyboardInterrupt:
            raise Exit("Interrupted; the next command goes on from here.", INTERRUPTED) from None
        except SwarmrigError as error:
            if debugging():
                raise
            raise Exit(error.report(), error.exit_code) from None
        except (Exit, BrokenPipeError):
            raise
        except OSError as error:
            # A full disk, a folder that may not be written: the system's words are for people.
            if debugging():
                raise
            raise Exit(
                f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 3
            ) from None
        except Exception as error:
            if debugging():
                raise
            raise Exit(
                f"Something that should not happen: {type(error).__name__}: {error}\n"
                "  See where with: SWARMRIG_DEBUG=1 and the same command.",
                3,
            ) from None
        finally:
            # At its end the interpreter would look through all that is loaded once more for what
            # can be collected, which takes longer than many a verb's own work.
            gc.freeze()

    return wrapped


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return bool(os.environ.get("SWARMRIG_DEBUG")) or "--debug" in sys.argv or "-d" in sys.argv
