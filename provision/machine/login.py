"""Every machine logged in to, before anything is asked of them or done to them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from provision.machine.machine import Machine
from provision.ssh import host_keys
from provision.ssh.host_keys import UnknownHostKey
from provision.support.errors import MachinesError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress

Ask = Callable[[UnknownHostKey, Progress], bool]


def reach(
    machines: dict[str, Machine],
    progress: Progress,
    ask: Ask | None = None,
) -> None:
    """Log in to all machines.

    A host whose key is not known is asked for on a terminal, once for each host (jump hosts too),
    and written down where the person says yes. Raises MachinesError with each machine's own error.
    """
    asking = ask or (_asked if sys.stdin.isatty() and sys.stderr.isatty() else None)

    def login(machine: Machine) -> None:
        progress.phase(machine.name, "logging in")
        machine.connect()

    while True:
        try:
            run_on_all("logging in", machines.values(), login, progress)
        except MachinesError as error:
            unknown = {
                (failure.end.key_name, failure.key.get_base64()): failure
                for failure in error.failures.values()
                if isinstance(failure, UnknownHostKey) and failure.end.ask
            }
            if not asking or not unknown:
                raise
            for failure in unknown.values():
                if not asking(failure, progress):
                    raise
                host_keys.write_down(failure.end, failure.key)
        else:
            return


def _asked(unknown: UnknownHostKey, progress: Progress) -> bool:
    """Ask the person: only a whole "yes" is one, as with ssh itself."""
    end, key = unknown.end, unknown.key
    with progress.paused() as console:
        console.print(
            f"The host {end.key_name} is not known yet. It shows this key:\n"
            f"  {key.get_name()} {key.fingerprint}\n"
            f"If that is the host's own, it is written down in {end.known_hosts}.",
            markup=False,
            soft_wrap=True,
        )
        return console.input("Is it (yes/no)? ").strip().lower() == "yes"
