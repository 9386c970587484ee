"""What differs between the hypervisors that Vagrant drives: one `Backend` describes one of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from provision.lab.model import Forward, Lab
from provision.providers.base import Checkpoints, MachineState
from provision.ssh.endpoint import Endpoint
from provision.support.errors import UserError


@dataclass(frozen=True)
class Acceleration:
    """How the guest's CPU runs: the driver's name for the Vagrantfile, whether it is fast, why."""

    driver: str
    fast: bool
    why: str


@dataclass(frozen=True)
class Hindrance:
    """Something of this host that is in the machines' way, and what the user can do about it.

    It is `certain`, or only likely.
    """

    what: str
    advice: str
    certain: bool = True


@dataclass(frozen=True)
class OwnImage:
    """What machines are made of where that is no Vagrant box; `notes` are for the lab's user."""

    name: str
    version: str
    why: str
    notes: tuple[str, ...] = ()


class Backend:
    """A hypervisor that Vagrant drives, as far as it differs from the others.

    The methods here are what holds for most; a provider overrides what it does in another way.
    Its settings in the Vagrantfile are its block of Vagrantfile.j2.
    """

    name: ClassVar[str] = ""
    # Boxes that can be downloaded, by their Debian suite, the preferred one first.
    # Source: https://portal.cloud.hashicorp.com/vagrant/discover/bento
    boxes: Mapping[str, str] = MappingProxyType(
        {"trixie": "bento/debian-13", "bookworm": "bento/debian-12"}
    )
    # Whether `inv box` builds a box for it.
    builds_boxes: ClassVar[bool] = False
    # Whether it reaches the machines over a second network, network.management in lab.toml.
    management_network: ClassVar[bool] = False
    # Whether its own lists are asked for machines and disks, whatever Vagrant remembers.
    lists_machines: ClassVar[bool] = False
    # Whether its machines are made of Vagrant's boxes, rather than of `own_image`.
    uses_boxes: ClassVar[bool] = True
    # Whether machines of a box that was built here take name, address and key from it.
    hands_over_metadata: ClassVar[bool] = False
    # Whether its machines run on the kernel of the host, as containers do.
    shares_kernel: ClassVar[bool] = False
    # Why it keeps no checkpoints; "" where it keeps some.
    no_checkpoints: ClassVar[str] = ""

    # -- this host ----------------------------------------------------------------------------

    def missing(self) -> str:
        """What it lacks on this host, in words; "" where nothing is missing."""
        return ""

    def present(self) -> bool:
        """Whether its own program is on this host, though something else may be missing."""
        return False

    def unusable(self, vagrant: str) -> str:
        """Why it cannot be used though nothing is missing, in words, with what to do; else "".

        `vagrant` is the installed Vagrant's version, "" where it is not known.
        """
        return ""

    def default_box(self, suite: str = "") -> str:
        """The box to download for a lab whose lab.toml names none, of any suite or of that one.

        "" where none is published for the provider.
        """
        if suite:
            return self.boxes.get(suite, "")
        return next(iter(self.boxes.values()), "")

    def own_image(self, lab: Lab, log: Callable[[str], None]) -> OwnImage | None:
        """What machines are made of; None where that is a Vagrant box. Raises UserError."""
        return None

    def image_digest(self, name: str, version: str) -> str:
        """The digest of an image of `own_image` ("sha256:…"), "" where there are boxes."""
        return ""

    def firmware(self) -> str:
        """The file of the UEFI that machines boot with; "" where they need none that is named."""
        return ""

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        """The commands that print the versions of its programs, by the program's name."""
        return {}

    def acceleration(self, fresh: bool = False) -> Acceleration | None:
        """How machines would run here; None where there is no choice. `fresh` ignores the cache."""
        return None

    def hindrances(self, lab: Lab) -> list[Hindrance]:
        """What of this host keeps machines from reaching a network; nothing is changed."""
        return []

    def explain(self, words: str) -> Hindrance | None:
        """What is behind an error of Vagrant's, where the host has an answer."""
        return None

    # -- before machines are made -------------------------------------------------------------

    def conflict(self, lab: Lab) -> UserError | None:
        """What the provider already has that this lab would collide with, or does not allow it."""
        return None

    def own_interfaces(self, lab: Lab) -> set[str]:
        """This host's network interfaces that belong to the lab."""
        return set()

    def box_conflict(self, lab: Lab, box: str, version: str, disk: Path | None) -> UserError | None:
        """Whether the provider has other content under the box's name; `disk` is the store's."""
        return None

    def resume(self, lab: Lab) -> None:
        """Resume machines that an interrupted command has left suspended."""

    def damaged(self, lab: Lab, machines: list[str]) -> dict[str, str]:
        """The damaged disks of machines that do not run, by name, where the provider can tell."""
        return {}

    def prepare(self, lab: Lab) -> None:
        """Make what the machines need before Vagrant starts: networks, say."""

    def remove_unfinished(self, lab: Lab, machines: set[str]) -> list[str]:
        """Remove what was being made of these machines, which Vagrant does not know."""
        return []

    # -- machines that were made --------------------------------------------------------------

    def states(self, lab: Lab, known: set[str]) -> dict[str, MachineState]:
        """Each machine's state; `known` are those that Vagrant remembers."""
        return {m.name: "unknown" if m.name in known else "absent" for m in lab.machines}

    def has_machines(self, state: Path) -> bool:
        """Whether the lab with that state folder has machines."""
        return any(state.glob("vagrant/machines/*/*/id"))

    def ssh_config(self, lab: Lab, own_key: bool) -> str:
        """How OpenSSH reaches the machines, where that takes no Vagrant; "" where it does.

        With `own_key` all machines let the lab's own key in.
        """
        return ""

    def held_ports(self, lab: Lab, machines: Collection[str]) -> list[Forward]:
        """The forwarded ports of machines that are off which something of the lab still holds."""
        return []

    def close_ports(self, lab: Lab, machines: Collection[str]) -> None:
        """Free these ports, which Vagrant opens again when the machines start."""

    def forward(self, lab: Lab, ends: Mapping[str, Endpoint], restored: bool) -> None:
        """Open forwarded ports again that were closed, where that takes no Vagrant.

        `ends` say how each machine is reached; with `restored` the machines come from a checkpoint.
        """

    def console(self, lab: Lab, machine: str) -> str:
        """Where a machine's console can be seen, in words."""
        return f"the provider's own window of {machine}"

    def diagnostics(self, lab: Lab) -> str:
        """What the provider itself lists of a lab, for a bug report."""
        return ""

    def checkpoints(self, lab: Lab, vagrants: Checkpoints) -> Checkpoints:
        """The lab's checkpoints; `vagrants` are those of Vagrant's own `snapshot` command."""
        return vagrants

    # -- destroy ------------------------------------------------------------------------------

    def before_destroy(self, lab: Lab) -> list[str]:
        """End what would make Vagrant's own removal slow; what was removed."""
        return []

    def purge(self, lab: Lab) -> list[str]:
        """Remove what Vagrant does not know of the lab; what was removed."""
        return []

    def leftovers(self, lab: Lab, known: set[str]) -> list[str]:
        """What is still there of the lab, in words; `known` are those that Vagrant remembers."""
        return [f"machine {name} (in Vagrant's memory)" for name in sorted(known)]

    def stays(self, lab: Lab, box: str, version: str) -> list[str]:
        """What stays when the lab is gone, beside Vagrant's box: with the command that removes it.

        It is shared with other labs, or was there before.
        """
        return []

    def purge_orphans(self, lab: Lab) -> list[str]:
        """Remove what is left of a lab whose state folder is lost, where the provider can tell."""
        return []


# Where distributions put plugins of their own Vagrant: Debian, Fedora and openSUSE.
_SYSTEM_PLUGINS = (
    "/usr/share/rubygems-integration/all/specifications/{name}-[0-9]*.gemspec",
    "/usr/share/vagrant-plugins/plugins.d/{name}.json",
    "/usr/share/vagrant/gems/specifications/{name}-[0-9]*.gemspec",
    "/usr/share/vagrant/gems/gems/{name}-[0-9]*",
    "/usr/lib*/ruby/gems/*/specifications/{name}-[0-9]*.gemspec",
)


def has_vagrant_plugin(name: str, root: Path = Path("/")) -> bool:
    """Whether a plugin is installed, from Vagrant's folders: starting Vagrant takes seconds.

    A distribution's plugin counts only with its own Vagrant: HashiCorp's does not look there.
    """
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    installed = home / "plugins.json"
    if installed.is_file():
        noted = json.loads(installed.read_text(encoding="utf-8"))
        if name in noted.get("installed", {}):
            return True
    return not foreign_vagrant() and has_system_plugin(name, root)


def has_system_plugin(name: str, root: Path = Path("/")) -> bool:
    """Whether the distribution's package of a plugin is installed."""
    patterns = (pattern.format(name=name).lstrip("/") for pattern in _SYSTEM_PLUGINS)
    return any(any(root.glob(pattern)) for pattern in patterns)


def foreign_vagrant() -> bool:
    """Whether the Vagrant that is called is none of the distribution's (HashiCorp's is in /opt)."""
    program = Path(shutil.which("vagrant") or "/usr/bin/vagrant").resolve()
    return not any(
        program.is_relative_to(place) for place in ("/usr/bin", "/usr/share", "/usr/lib")
    )
