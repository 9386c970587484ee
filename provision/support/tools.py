"""Programs of this host whose output is read: run to their end, in English."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


def c_locale(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment (default: our own) in which a program writes neither translated words nor
    local numbers.

    LANGUAGE comes before LC_ALL for translated words, so it is set as well.
    Source: https://www.gnu.org/software/gettext/manual/html_node/Users.html
    """
    given = os.environ if environment is None else environment
    return {**given, "LC_ALL": "C", "LANGUAGE": "C"}


def run_tool(
    argv: Sequence[str],
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    new_session: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program in the C locale, without a terminal, and return what it printed.

    With `new_session` an interrupt of ours does not reach it. Raises FileNotFoundError where there
    is no such program, and subprocess.TimeoutExpired.
    """
    return subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env=c_locale(environment),
        start_new_session=new_session,
        timeout=timeout,
    )
