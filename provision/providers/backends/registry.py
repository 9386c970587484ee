"""Vagrant's providers by name, in the order in which they are preferred."""

from __future__ import annotations

from provision.lab import model
from provision.providers.backend import Backend
from provision.providers.backends.hyperv import HyperV
from provision.providers.backends.parallels import Parallels
from provision.providers.backends.vmware_desktop import VmwareDesktop
from provision.providers.containers.backend import Docker
from provision.providers.libvirt.backend import Libvirt
from provision.providers.virtualbox.backend import VirtualBox
from provision.support import text
from provision.support.errors import UserError

_backends: dict[str, Backend] = {}


def register(one: Backend) -> None:
    """Make a provider known, here and to lab.toml; the last registered is preferred least."""
    _backends[one.name] = one
    model.add_provider(one.name)


def unregister(name: str) -> None:
    _backends.pop(name, None)
    model.remove_provider(name)


def backends() -> list[Backend]:
    """All of them, the preferred one first."""
    return list(_backends.values())


def find(name: str) -> Backend | None:
    """The provider of that name; None where Vagrant has none ("hosts", say)."""
    return _backends.get(name)


def backend(name: str) -> Backend:
    """The provider of that name. Raises UserError that lists those there are."""
    if found := find(name):
        return found
    names = list(_backends)
    raise UserError(
        f"There is no provider {name!r} for virtual machines.",
        text.did_you_mean(name, names) or f"Known are {', '.join(names)}.",
    )


# libvirt first: it boots in parallel and saves machines with their memory. Containers last: virtual
# machines have a kernel of their own.
for _one in (Libvirt(), Parallels(), VmwareDesktop(), VirtualBox(), HyperV(), Docker()):
    register(_one)
