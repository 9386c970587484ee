"""Run a command beside busy loops: `python -m tests.support.busy 2 pytest …`.

A test must not depend on how fast the machine is; this makes it slow.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys


def spin() -> None:
    """Keep one core busy until the process is ended."""
    while True:
        pass


def main() -> int:
    """Run the command with so many loops beside it; its exit code."""
    count, command = int(sys.argv[1]), sys.argv[2:]
    loops = [multiprocessing.Process(target=spin, daemon=True) for _ in range(count)]
    for loop in loops:
        loop.start()
    try:
        return subprocess.call(command)
    finally:
        for loop in loops:
            loop.kill()


if __name__ == "__main__":
    sys.exit(main())
