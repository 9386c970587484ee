"""The shape of lab.toml, and its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from provision.lab.model import AUTO_PLUGIN, DEFAULT_IMAGE, PROVIDERS, Role, Suite, provider_names
from provision.support.files import write_atomic

MOST_MACHINES = 50
# An odd handful keeps a raft quorum; Docker advises no more than seven managers.
# Source: https://docs.docker.com/engine/swarm/admin_guide/
MOST_MANAGERS = 7

# RFC 1123 host names, shortened so that "<lab>_<machine>" stays a valid name for every provider.
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
NAME_ALLOWED = "1 to 30 lower-case letters, digits and dashes, a letter first"


def _unquotable(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("control characters are not allowed")
    return value


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_unquotable)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
# Environment variables of a plugin (POSIX names), and their values.
SettingName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,99}$")]
Setting = Text


def _known_provider(name: str) -> str:
    if name not in provider_names():
        raise ValueError("unknown provider")
    return name


ProviderName = Annotated[
    str,
    AfterValidator(_known_provider),
    WithJsonSchema({"enum": list(PROVIDERS), "type": "string"}),
]


_SETTINGS_SCHEMA: dict[str, Any] = {
    "additionalProperties": {
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
        "type": "object",
    },
    "type": "object",
}
ProviderSettings = Annotated[dict[str, dict[str, Any]], WithJsonSchema(_SETTINGS_SCHEMA)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _key(default: Any, allowed: str, **more: Any) -> Any:
    """A key of the file: its default, and what is allowed (shown in every error message)."""
    return Field(default, description=allowed, **more)


_SETTINGS_ALLOWED = (
    "a table for each provider, of texts, whole numbers, true or false, such as { libvirt = { "
    'keymap = "de" } }'
)


class ForwardTable(_Table):
    """One entry of a machine's `forward`."""

    guest: int = _key(..., "a TCP port of the machine, 1 to 65535", ge=1, le=65535)
    host: int = _key(..., "a TCP port of this host, 1 to 65535", ge=1, le=65535)
    address: Text = _key(
        "127.0.0.1", 'an IPv4 address of this host; "0.0.0.0" lets everybody who reaches it in'
    )


class MachineTable(_Table):
    """One `[[machines]]` table."""

    name: Name = _key(..., NAME_ALLOWED)
    role: Role | None = _key(
        None,
        '"manager" or "worker" (where no machine has a role, the first is the manager)',
    )
    cpus: int = _key(1, "a whole number of virtual CPUs, 1 to 64", ge=1, le=64)
    memory: int = _key(1024, "a whole number of MiB, 512 to 262144", ge=512, le=262144)
    box: Text | None = _key(
        None, "a Vagrant box for this machine: its name, or the path of a .box file"
    )
    disk: int | None = _key(
        None, "the size of its disk, a whole number of GB, 4 to 4096", ge=4, le=4096
    )
    forward: list[ForwardTable] = _key(
        [], "a list of ports of this host for the machine, such as [{ guest = 80, host = 8080 }]"
    )
    provider_settings: ProviderSettings = _key({}, _SETTINGS_ALLOWED)
    provision: Text | None = _key(
        None, "the path of a script that runs once on this machine as root, after the lab's"
    )
    address: Text | None = _key(
        None,
        'an IPv4 address inside network.subnet, such as "192.168.56.11"; with provider "hosts" '
        "the address or name by which SSH reaches the host",
    )
    user: Text | None = _key(None, 'a login name (only with provider "hosts")')
    port: int | None = _key(None, 'a TCP port, 1 to 65535 (only with "hosts")', ge=1, le=65535)
    key: Text | None = _key(None, 'the path of a private SSH key (only with provider "hosts")')
    jump: Text | None = _key(
        None,
        'jump hosts, as for ssh -J, such as "ops@bastion:2222", separated by commas (only '
        'with provider "hosts")',
        pattern=r"^[A-Za-z0-9_.~%@:/,+\[\]-]+$",
    )
    private_address: Text | None = _key(
        None,
        'the IPv4 address under which the other machines reach this one (only with provider "hosts"'
        "; default: address)",
    )


class MachinesTable(_Table):
    """The `[machines]` table: a number of identical machines, named machine1, machine2, …"""

    count: int = _key(2, f"a whole number, 2 to {MOST_MACHINES}", ge=2, le=MOST_MACHINES)
    managers: int = _key(1, f"a whole number, 1 to {MOST_MANAGERS}", ge=1, le=MOST_MANAGERS)
    cpus: int = _key(1, "a whole number of virtual CPUs, 1 to 64", ge=1, le=64)
    memory: int = _key(1024, "a whole number of MiB, 512 to 262144", ge=512, le=262144)


class NetworkTable(_Table):
    """The `[network]` table: the private network between the machines (the underlay)."""

    subnet: Text = _key("192.168.56.0/24", 'an IPv4 network, /8 to /28, such as "192.168.56.0/24"')
    management: Text | None = _key(
        None, "an IPv4 network, /24, that libvirt reaches the machines by (default: by lab name)"
    )


class DockerTable(_Table):
    """The `[docker]` table."""

    version: str = _key(
        "distribution",
        "\"distribution\" (the package of the machine's own system) or a version of Docker's own "
        'repository, such as "28.2.2"',
        pattern=r"^(distribution|\d{2}\.\d{1,2}(\.\d{1,3})?)$",
    )
    settings: dict[str, Any] = _key(
        {}, 'a table of the engine\'s settings (daemon.json), such as { "log-driver" = "local" }'
    )


class HypervTable(_Table):
    """The `[hyperv]` table."""

    switch: Text | None = _key(
        None, 'the name of the virtual switch of the machines, such as "Default Switch"'
    )


class ProxyTable(_Table):
    """The `[proxy]` table: how the machines reach package sources and registries."""

    http: Text | None = _key(None, 'the URL of a proxy, such as "http://proxy.example:3128"')
    https: Text | None = _key(None, 'the URL of a proxy, such as "http://proxy.example:3128"')
    no_proxy: Text | None = _key(
        None, "names, addresses and networks that need no proxy, separated by commas"
    )


class SwarmTable(_Table):
    """The `[swarm]` table: how the swarm is started."""

    address_pool: list[Text] | None = _key(
        None, 'a list of IPv4 networks for overlay networks, such as ["10.20.0.0/16"]', min_length=1
    )
    subnet_size: int | None = _key(
        None, "the prefix length of each overlay network, 8 to 29 (default: 24)", ge=8, le=29
    )
    data_path_port: int | None = _key(
        None, "the UDP port of VXLAN, 1024 to 49151 (default: 4789)", ge=1024, le=49151
    )


class ImagesTable(_Table):
    """The `[images]` table: what scenarios run, and where it comes from without a registry."""

    scenario: str = _key(
        "auto",
        f'an image reference, or "auto" ({DEFAULT_IMAGE}, or what the built box carries where no '
        "registry can be reached)",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}$",
    )
    archives: list[Text] = _key(
        [], "a list of paths of `docker save` archives, loaded on every machine"
    )


class WeaveTable(_Table):
    """The `[weave]` table: enables the Weave exercise; where its plugin comes from."""

    plugin: str = _key(
        AUTO_PLUGIN,
        'a plugin\'s reference, such as "weaveworks/net-plugin:2.8.1", or "auto" (the maintained '
        "fork's, for the machines' architecture)",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}$",
    )
    plugin_archive: Text | None = _key(
        None, "the path of a tar or tar.gz of a plugin's config.json and rootfs/"
    )
    settings: dict[SettingName, Setting] = _key(
        {},
        "a table of the plugin's settings, names to texts, such as "
        '{ IPALLOC_RANGE = "10.40.0.0/16" }; a password goes into weave.password',
    )
    password: Setting | None = _key(
        None, "a text: the mesh's password (WEAVE_PASSWORD), 1 to 500 characters"
    )


def _machines_shape(value: Any) -> str:
    return "list" if isinstance(value, list) else "table"


class LabFile(_Table):
    """The whole of lab.toml. Every key has a default: an empty file is the lab of the book."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, title="Swarmrig lab definition"
    )

    name: Name = _key("book", NAME_ALLOWED)
    provider: ProviderName = _key("auto", ", ".join(f'"{name}"' for name in PROVIDERS))
    box: Text = _key("auto", '"auto", or a Vagrant box: its name, or the path of a .box file')
    box_version: Text | None = _key(None, 'a version constraint as Vagrant takes it, such as "1.2"')
    suite: Suite | None = _key(
        None,
        '"bookworm", "trixie" or "forky": the Debian of the machines where their box or image is '
        'built here (default: "trixie"; not with a box, nor with provider "hosts")',
    )
    ssh_config: Text | None = _key(
        None,
        "the path of an OpenSSH client configuration that stands in for ~/.ssh/config (only with "
        'provider "hosts")',
    )
    provision: Text | None = _key(
        None, "the path of a script that runs once on each machine as root, after Docker is there"
    )
    machines: Annotated[
        Annotated[MachinesTable, Tag("table")] | Annotated[list[MachineTable], Tag("list")],
        Discriminator(_machines_shape),
    ] = _key(MachinesTable(), "a table with count, or two or more [[machines]] tables")
    network: NetworkTable = _key(NetworkTable(), "a table")
    docker: DockerTable = _key(DockerTable(), "a table")
    images: ImagesTable = _key(ImagesTable(), "a table")
    proxy: ProxyTable | None = _key(None, "a table")
    swarm: SwarmTable = _key(SwarmTable(), "a table")
    provider_settings: ProviderSettings = _key({}, _SETTINGS_ALLOWED)
    hyperv: HypervTable = _key(HypervTable(), "a table")
    weave: WeaveTable | None = _key(None, "a table; adding it enables the Weave exercise")


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of lab.toml, for editors; kept at docs/lab.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **LabFile.model_json_schema(),
    }


def write_schema(path: Path) -> Path:
    """Write `schema()` to `path`, as it is kept in the repository."""
    return write_atomic(path, json.dumps(schema(), indent=2) + "\n")
