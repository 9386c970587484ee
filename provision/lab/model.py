"""The lab as the rest of Swarmrig uses it: complete, checked, and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from provision.lab.state import LabState
from provision.support import text
from provision.support.errors import UserError

# What lab.toml may name as its provider; `add_provider` adds to the names.
PROVIDERS = (
    "auto",
    "libvirt",
    "virtualbox",
    "vmware_desktop",
    "parallels",
    "hyperv",
    "docker",
    "hosts",
)
_added: list[str] = []
Role = Literal["manager", "worker"]
# Debian's suites that boxes and images are built of.
Suite = Literal["bookworm", "trixie", "forky"]
DEFAULT_IMAGE = "alpine:latest"
AUTO_PLUGIN = "auto"
PASSWORD_SETTING = "WEAVE_PASSWORD"  # noqa: S105 - the setting's name


def provider_names() -> tuple[str, ...]:
    """Every name that lab.toml may give as its provider."""
    return (*PROVIDERS, *_added)


def add_provider(name: str) -> None:
    """Accept a provider's name in lab.toml."""
    if name not in provider_names():
        _added.append(name)


def remove_provider(name: str) -> None:
    """Undo `add_provider`; the names in PROVIDERS stay."""
    if name in _added:
        _added.remove(name)


@dataclass(frozen=True)
class Access:
    """How SSH reaches an existing host (provider "hosts")."""

    host: str
    user: str | None = None
    port: int | None = None
    key: str | None = None
    jump: str | None = None


@dataclass(frozen=True)
class Forward:
    """A port of this host that leads to one of a machine; `address` is this host's."""

    guest: int
    host: int
    address: str = "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.address}:{self.host} → {self.guest}"


@dataclass(frozen=True)
class Script:
    """A script of the lab's own: its path as in lab.toml, and its content's checksum."""

    name: str
    sha256: str


@dataclass(frozen=True)
class MachineSpec:
    """One machine of the lab. `memory` is in MiB; `address` is the one on the underlay.

    `box` is "" where the lab's is meant, `disk` is in GB, None for the box's own size.
    """

    name: str
    role: Role
    cpus: int
    memory: int
    address: str
    access: Access | None = None
    box: str = ""
    disk: int | None = None
    forward: tuple[Forward, ...] = ()
    provider_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    provision: Script | None = None


@dataclass(frozen=True)
class PluginSpec:
    """The network driver plugin of the lab: its reference, its source and its settings.

    `reference` is "auto" where the machines' architecture decides. `password` is a secret: it is
    left out of the value's own text, and goes nowhere but into the plugin's settings.
    """

    reference: str = AUTO_PLUGIN
    archive: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)

    @property
    def all_settings(self) -> dict[str, str]:
        """The settings, including the password if there is one."""
        secret = {PASSWORD_SETTING: self.password} if self.password else {}
        return {**self.settings, **secret}


@dataclass(frozen=True)
class Proxy:
    """The proxy that machines use. Its URLs can hold a password: they are left out of its text."""

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    no_proxy: str = ""


@dataclass(frozen=True)
class SwarmSpec:
    """How a swarm is started; what is not given is left to the engine.

    `address_pool` has the networks that overlay networks get their subnets from, `subnet_size` the
    length of those subnets' prefix, `data_path_port` the UDP port of VXLAN.
    """

    address_pool: tuple[str, ...] = ()
    subnet_size: int | None = None
    data_path_port: int | None = None

    def words(self) -> list[str]:
        """What is given, in words."""
        found = [f"address pool {', '.join(self.address_pool)}"] if self.address_pool else []
        found += [f"subnets of /{self.subnet_size}"] if self.subnet_size else []
        return found + ([f"data path port {self.data_path_port}"] if self.data_path_port else [])


@dataclass(frozen=True)
class Lab:
    """A complete, checked lab: what `load` makes of a file. `file` is absolute.

    `suite` is the Debian of boxes and images that are built here, "" for the default one.
    """

    name: str
    file: Path
    provider: str
    box: str
    box_version: str | None
    machines: tuple[MachineSpec, ...]
    subnet: str
    management_subnet: str
    docker_version: str
    image: str
    image_archives: tuple[Path, ...] = field(default=())
    weave: PluginSpec | None = None
    ssh_config: Path | None = None
    suite: str = ""
    docker_settings: dict[str, Any] = field(default_factory=dict)
    proxy: Proxy | None = None
    swarm: SwarmSpec = field(default_factory=SwarmSpec)
    provider_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    hyperv_switch: str = ""
    provision: Script | None = None

    @property
    def home(self) -> Path:
        """The folder of lab.toml; relative paths in the file start here."""
        return self.file.parent

    @property
    def state(self) -> Path:
        """Everything that the lab writes, except reports: `.swarmrig/<lab>/` beside lab.toml."""
        return self.home / ".swarmrig" / self.name

    @property
    def files(self) -> LabState:
        """The files of the state folder, by what they hold."""
        return LabState(self.state)

    @property
    def reports(self) -> Path:
        """`reports/<lab>/` beside lab.toml."""
        return self.home / "reports" / self.name

    def scripts_of(self, machine: str) -> tuple[Script, ...]:
        """What runs on a machine, in this order: the lab's script, and the machine's own."""
        both = (self.provision, self.machine(machine).provision)
        return tuple(dict.fromkeys(script for script in both if script))

    @property
    def scripts(self) -> dict[str, str]:
        """The checksums of all scripts, by name."""
        every = [script for machine in self.machines for script in self.scripts_of(machine.name)]
        return {script.name: script.sha256 for script in every}

    @property
    def managers(self) -> tuple[MachineSpec, ...]:
        return tuple(m for m in self.machines if m.role == "manager")

    @property
    def workers(self) -> tuple[MachineSpec, ...]:
        return tuple(m for m in self.machines if m.role == "worker")

    def machine(self, name: str) -> MachineSpec:
        """The machine of that name. Raises UserError that lists the existing names."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        names = [m.name for m in self.machines]
        raise UserError(
            f"There is no machine {name!r} in lab {self.name!r}.",
            text.did_you_mean(name, names) or f"Its machines are {', '.join(names)}.",
        )
