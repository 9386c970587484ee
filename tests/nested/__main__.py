"""`python -m tests.nested`: the lab of the book on KVM, from `make lab` to `inv destroy`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.nested.machine import Outer, said, why_not

_INV = ".venv/bin/inv"
# The trial of KVM has 20 s for a guest, which is little in an emulated machine on a busy computer.
# What it has seen work once is believed from then on.
_TRIED = (
    f"for _ in $(seq 20); do {_INV} doctor | tee doctor.txt; "
    "grep -q 'KVM works' doctor.txt && break; done"
)
# Two guests at once can end the outer machine: QEMU's emulation of AMD's virtualization has faults.
_BOOTS = 5
# What is run inside, and what each has to print.
STEPS = (
    (_TRIED, "KVM works"),
    ("make lab", "PASSED"),
    (f"{_INV} status", "ready (leader)"),
    (f"{_INV} rebuild", "is up again"),
    (f"{_INV} scenario overlay", "PASSED"),
    (f"{_INV} destroy", "is gone"),
    ("! virsh -c qemu:///system list --all --name | grep swarmrig && echo none", "none"),
    ("! virsh -c qemu:///system net-list --all --name | grep swarmrig && echo none", "none"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nested", description=__doc__)
    parser.add_argument("--boot", action="store_true", help="only boot the outer machine")
    only_boot = parser.parse_args().boot
    if reason := why_not():
        sys.exit(f"This test cannot run: {reason}")
    outer = Outer()
    try:
        outer.make()
        said("booting the outer machine")
        outer.start()
        said(outer.run("uname -r; ls -l /dev/kvm; grep -c -w svm /proc/cpuinfo").stdout.strip())
        return 0 if only_boot else _steps(outer)
    finally:
        outer.close()


def _steps(outer: Outer) -> int:
    boots = 1
    for command, expected in STEPS:
        while True:
            begin = time.monotonic()
            done = outer.run(f"cd swarmrig && {command}")
            well = done.returncode == 0 and expected in done.stdout
            said(f"{'ok' if well else 'FAILED'}: {command} ({time.monotonic() - begin:.0f} s)")
            if well:
                break
            said(done.stdout[-6000:])
            said(outer.last_words())
            if outer.runs() or boots == _BOOTS:
                return 1
            # As after a power cut, the step resumes.
            said("the emulated outer machine has ended by itself: it is booted again")
            outer.start()
            boots += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
