"""A verb's output and exit code survive a terminal that knows few letters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[3]
PRINT = (
    "from provision.cli.errors import report_errors\n"
    "from provision.support.progress import Progress\n"
    "@report_errors\n"
    "def verb():\n"
    "    Progress().done('machine1', 'ready \\u2192 \\u65e5')\n"
    "    print('\\u2713 done')\n"
    "verb()\n"
)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_letters_that_an_encoding_lacks_are_no_error(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=CLONE, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert out.split() == ["✓" if encoding == "utf-8" else "+", "done"]
    assert "machine1: ready" in err


def test_a_report_is_written_whatever_the_terminal_knows() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "scenarios"],
        cwd=CLONE,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
