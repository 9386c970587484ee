"""Errors of the verbs: messages for people, and exit codes."""

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
    """End a verb with its error in a line or two, and its exit code.

    1 for a failed check, 2 for invalid input, 3 for a machine or tool that failed, 130 after
    Ctrl-C. With SWARMRIG_DEBUG=1, or `--debug` among Invoke's own flags, the traceback is shown.
    """

    @functools.wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        write_anything()
        try:
            return verb(*args, **kwargs)
        except KeyboardInterrupt:
            raise Exit("Interrupted. Run the command again to resume.", INTERRUPTED) from None
        except SwarmrigError as error:
            if debugging():
                raise
            raise Exit(error.report(), error.exit_code) from None
        except (Exit, BrokenPipeError):
            raise
        except OSError as error:
            # A full disk, a folder that is not writable: the system's own message says it best.
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
                "  Show the traceback: run the same command with SWARMRIG_DEBUG=1.",
                3,
            ) from None
        finally:
            # Skip the interpreter's last garbage collection: it takes longer than many verbs do.
            gc.freeze()

    return wrapped


def debugging() -> bool:
    """Whether tracebacks are shown."""
    return bool(os.environ.get("SWARMRIG_DEBUG")) or "--debug" in sys.argv or "-d" in sys.argv
