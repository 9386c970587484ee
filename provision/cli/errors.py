"""What the tasks have in common: readable errors and exit codes."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from invoke.exceptions import Exit

from provision.support.errors import SwarmrigError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130


def report_errors(verb: Callable[P, R]) -> Callable[P, R]:
    """End a task with a readable error, in a line or two, and its exit code.

    2 for invalid input, 1 for a failed check, 3 for a machine or tool that failed, 130 after
    Ctrl-C. With SWARMRIG_DEBUG=1, or `--debug` among invoke's own flags, the traceback is shown.
    """

    @functools.wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except KeyboardInterrupt:
            raise Exit("Interrupted; the next command resumes from here.", INTERRUPTED) from None
        except SwarmrigError as error:
            if debugging():
                raise
            raise Exit(error.report(), error.exit_code) from None
        except (Exit, BrokenPipeError):
            raise
        except OSError as error:
            # A full disk, a read-only folder: the system's own message is readable.
            if debugging():
                raise
            raise Exit(
                f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 3
            ) from None
        except Exception as error:
            if debugging():
                raise
            raise Exit(
                f"Internal error: {type(error).__name__}: {error}\n"
                "  For the traceback, run the same command with SWARMRIG_DEBUG=1.",
                3,
            ) from None
        finally:
            # Otherwise the interpreter would run the garbage collector over everything at exit,
            # which takes longer than the work of many verbs.
            gc.freeze()

    return wrapped


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return bool(os.environ.get("SWARMRIG_DEBUG")) or "--debug" in sys.argv or "-d" in sys.argv
