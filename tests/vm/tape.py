"""Records scenarios on virtual machines, and plays them again: `python -m tests.vm.tape NAME …`.

It is for scenarios that light hosts cannot run, on the lab that $SWARMRIG_LAB names, which is up:
one of the tests' is reached in their world alone (tests/vm/vagrant_world.py). With
SWARMRIG_RECORD=1 the tapes go where the unit tier plays them (tests/unit/scenarios/tapes).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from provision.lab.load import load_lab
from provision.lifecycle import applied, running
from tests.hosts.taping import tape_again


def main(names: list[str]) -> None:
    lab = load_lab("")
    ready = running.ready(lab)
    lab = applied.current(lab)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            record = tape_again(name, lab, Path(folder) / name, ready.provider, ready.image)
            print(f"{name}: {record.verdict}, {record.seconds:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
