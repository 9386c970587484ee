"""Machines that reach no network: this host is looked at before package sources are blamed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from provision.lab.model import Lab
from provision.providers.backends import registry
from provision.support.errors import MachineError

# What apt, dnf, curl, docker pull and their resolver say of a network that nothing comes back from.
_UNREACHED = re.compile(
    r"temporary failure resolving|could not resolve|could not connect|unable to connect"
    r"|cannot initiate the connection|connection timed out|network is unreachable"
    r"|no route to host|failed to fetch|i/o timeout|no such host|timeout was reached",
    re.IGNORECASE,
)


@contextlib.contextmanager
def explaining(lab: Lab, provider: str) -> Iterator[None]:
    """Add to a MachineError of the block what of this host keeps machines from any network."""
    try:
        yield
    except MachineError as error:
        backend = registry.find(provider)
        found = backend.hindrances(lab) if backend and _UNREACHED.search(str(error)) else []
        if found:
            lines = [str(error), *(f"  {one.what}" for one in found)]
            error.args = ("\n".join(lines),)
            error.advice = f"{found[0].advice}. Then run the command again."
        raise
