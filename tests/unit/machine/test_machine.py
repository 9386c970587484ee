"""A machine, as far as it can be tested without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).parents[3]


def test_the_ssh_librarys_own_log_is_not_printed_to_people() -> None:
    code = (
        "import logging, provision.machine.machine; "
        "logging.getLogger('paramiko.transport').error('Secsh channel 0 open FAILED')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("", "")
