"""lab.toml to a `Lab` value; its JSON Schema; every mistake named with file, key and reason.

`LabFile` is the shape of the file and nothing else; `Lab` is what the rest of Swarmrig takes:
complete (every machine has a name, a role, an address), checked, and frozen.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)
from pydantic_core import ErrorDetails

from provision.errors import DefinitionError, UserError
from provision.files import write_atomic

ProviderName = Literal[
    "auto", "libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv", "hosts"
]
Role = Literal["manager", "worker"]

DEFAULT_FILE = "lab.toml"
DEFAULT_IMAGE = "alpine:latest"
AUTO_PLUGIN = "auto"
PASSWORD_SETTING = "WEAVE_PASSWORD"  # noqa: S105 - the setting's name
MOST_MACHINES = 50
# An odd handful keeps a raft quorum; Docker advises no more than seven managers.
# Source: https://docs.docker.com/engine/swarm/admin_guide/
MOST_MANAGERS = 7
# The host itself takes .1 on the private network, and .2 to .10 are left to it and its tools.
FIRST_HOST = 11

# RFC 1123 host names, shortened so that "<lab>_<machine>" stays a valid name for every provider.
_NAME = r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
_NAME_ALLOWED = "1 to 30 lower-case letters, digits and dashes, a letter first"


def _unquotable(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("control characters are not allowed")
    return value


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_unquotable)]
Name = Annotated[str, Field(pattern=_NAME)]
# Environment variables of a plugin (POSIX names), and their values.
SettingName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,99}$")]
Setting = Text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _key(default: Any, allowed: str, **more: Any) -> Any:
    """A key of the file: its default, and what is allowed in words (shown in every complaint)."""
    return Field(default, description=allowed, **more)


class MachineTable(_Table):
    """One `[[machines]]` table."""

    name: Name = _key(..., _NAME_ALLOWED)
    role: Role | None = _key(
        None,
        '"manager" or "worker" (where no machine has a role, the first is the manager)',
    )
    cpus: int = _key(1, "a whole number of virtual CPUs, 1 to 64", ge=1, le=64)
    memory: int = _key(1024, "a whole number of MiB, 512 to 262144", ge=512, le=262144)
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
        'the way there, as for ssh -J: hops such as "ops@bastion:2222", separated by commas (only '
        'with provider "hosts")',
        pattern=r"^[A-Za-z0-9_.~%@:/,+\[\]-]+$",
    )
    private_address: Text | None = _key(
        None,
        'the IPv4 address under which the other machines reach this one (only with provider "hosts"'
        "; default: address)",
    )


class MachinesTable(_Table):
    """The `[machines]` table: so many machines, all alike, named machine1, machine2, …"""

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
    """The `[weave]` table: a lab for the Weave exercise; where its plugin comes from."""

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

    name: Name = _key("book", _NAME_ALLOWED)
    provider: ProviderName = _key("auto", ", ".join(f'"{p}"' for p in get_args(ProviderName)))
    box: Text = _key("auto", '"auto", or a Vagrant box: its name, or the path of a .box file')
    box_version: Text | None = _key(None, 'a version constraint as Vagrant takes it, such as "1.2"')
    ssh_config: Text | None = _key(
        None,
        "the path of an OpenSSH client configuration that stands in for ~/.ssh/config (only with "
        'provider "hosts")',
    )
    machines: Annotated[
        Annotated[MachinesTable, Tag("table")] | Annotated[list[MachineTable], Tag("list")],
        Discriminator(_machines_shape),
    ] = _key(MachinesTable(), "a table with count, or two or more [[machines]] tables")
    network: NetworkTable = _key(NetworkTable(), "a table")
    docker: DockerTable = _key(DockerTable(), "a table")
    images: ImagesTable = _key(ImagesTable(), "a table")
    weave: WeaveTable | None = _key(None, "a table; that it is there makes a lab for Weave")


@dataclass(frozen=True)
class Access:
    """How SSH reaches a machine that exists already (provider "hosts")."""

    host: str
    user: str | None = None
    port: int | None = None
    key: str | None = None
    jump: str | None = None


@dataclass(frozen=True)
class Machine:
    """One machine of the lab. `memory` is in MiB; `address` is the one on the underlay."""

    name: str
    role: Role
    cpus: int
    memory: int
    address: str
    access: Access | None = None


@dataclass(frozen=True)
class Plugin:
    """The network driver plugin of the lab: its reference, and how it comes and is set.

    `reference` is "auto" where the machines' architecture decides. `password` is a secret: it is
    left out of the value's own text, and goes nowhere but into the plugin's settings.
    """

    reference: str = AUTO_PLUGIN
    archive: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)

    @property
    def all_settings(self) -> dict[str, str]:
        """The settings, and the password among them where there is one."""
        secret = {PASSWORD_SETTING: self.password} if self.password else {}
        return {**self.settings, **secret}


@dataclass(frozen=True)
class Lab:
    """A complete, checked lab: what `load` makes of a file. `file` is absolute."""

    name: str
    file: Path
    provider: ProviderName
    box: str
    box_version: str | None
    machines: tuple[Machine, ...]
    subnet: str
    management_subnet: str
    docker_version: str
    image: str
    image_archives: tuple[Path, ...] = field(default=())
    weave: Plugin | None = None
    ssh_config: Path | None = None

    @property
    def home(self) -> Path:
        """The folder of lab.toml; relative paths in the file start here."""
        return self.file.parent

    @property
    def state(self) -> Path:
        """Everything that the lab writes, reports aside: `.swarmrig/<lab>/` beside lab.toml."""
        return self.home / ".swarmrig" / self.name

    @property
    def reports(self) -> Path:
        """`reports/<lab>/` beside lab.toml."""
        return self.home / "reports" / self.name

    @property
    def managers(self) -> tuple[Machine, ...]:
        return tuple(m for m in self.machines if m.role == "manager")

    @property
    def workers(self) -> tuple[Machine, ...]:
        return tuple(m for m in self.machines if m.role == "worker")

    def machine(self, name: str) -> Machine:
        """The machine of that name. Raises UserError that lists the names there are."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        names = [m.name for m in self.machines]
        raise UserError(
            f"There is no machine {name!r} in lab {self.name!r}.",
            _did_you_mean(name, names) or f"Its machines are {', '.join(names)}.",
        )


def find_file(given: str | None = None) -> Path:
    """The lab file: the one given, else $SWARMRIG_LAB, else lab.toml in the current folder."""
    return Path(given or os.environ.get("SWARMRIG_LAB") or DEFAULT_FILE).absolute()


def load(file: Path) -> Lab:
    """Read and check a lab file. Raises DefinitionError with a line for each mistake."""
    return _build(file.absolute(), _parse(file))


def load_copy(copy: Path, file: Path) -> Lab:
    """The lab of a kept copy of its file, as if the copy lay where the file was."""
    return _build(file, _parse(copy))


def remains(name: str, file: Path) -> Lab:
    """A lab of which no more than its name is known, for taking it away. Raises DefinitionError."""
    if not re.fullmatch(_NAME, name):
        raise DefinitionError([f"name: given {json.dumps(name)}; allowed: {_NAME_ALLOWED}"])
    lab = _build(file, LabFile(name=name))
    made = sorted(path.name for path in lab.state.glob("vagrant/machines/*"))
    machines = tuple(replace(lab.machines[0], name=one) for one in made)
    return replace(lab, machines=machines or lab.machines)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of lab.toml, for editors; kept at docs/lab.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **LabFile.model_json_schema(),
    }


def write_schema(path: Path) -> Path:
    """Write `schema()` to `path`, as it is kept in the repository."""
    return write_atomic(path, json.dumps(schema(), indent=2) + "\n")


def _parse(file: Path) -> LabFile:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DefinitionError(
            [f"{file.name}: there is no such file in {file.parent}."],
            "Go to the folder of your lab, or name the file: inv up --lab path/to/lab.toml",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError([f"{file.name}: cannot be read: {error}"]) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(
            [f"{file.name}: not valid TOML: {error}"], "docs/definition.md shows a whole file."
        ) from None
    try:
        return LabFile.model_validate(data)
    except ValidationError as error:
        raise DefinitionError(
            [_complaint(file.name, detail) for detail in error.errors()],
            "docs/definition.md lists every key.",
        ) from None


def _complaint(file: str, detail: ErrorDetails) -> str:
    """One mistake in one line: file, key, what was given, what is allowed."""
    loc = [part for part in detail["loc"] if part not in {"table", "list"}]
    key = ""
    for part in loc:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else str(part)
    model, description = _where(loc)
    if detail["type"] == "extra_forbidden":
        known = list(model.model_fields)
        hint = _did_you_mean(str(loc[-1]), known) or f"known keys: {', '.join(known)}"
        return f"{file}: {key}: unknown key; {hint}"
    if detail["type"] == "missing":
        return f"{file}: {key}: missing; allowed: {description}"
    given = json.dumps(detail["input"], default=str)
    if len(given) > 80:
        given = given[:77] + "…"
    if "PASSWORD" in key.upper():
        given = "what is not shown here"
    return f"{file}: {key}: given {given}; allowed: {description}"


def _where(loc: list[int | str]) -> tuple[type[BaseModel], str]:
    """The table in which a location lies, and the words for what is allowed there."""
    model: type[BaseModel] = LabFile
    description = "a table"
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            if model is LabFile and loc[0] == "machines":
                model = MachineTable
            continue
        info = model.model_fields.get(part)
        if info is None:
            break
        description = info.description or ""
        inside: dict[str, type[BaseModel]] = {
            "network": NetworkTable,
            "docker": DockerTable,
            "images": ImagesTable,
            "weave": WeaveTable,
            "machines": MachinesTable,
        }
        if depth == 0 and part in inside and len(loc) > 1:
            model = LabFile if isinstance(loc[1], int) else inside[part]
    return model, description


def _did_you_mean(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _build(file: Path, parsed: LabFile) -> Lab:
    """What one key alone cannot tell: names that repeat, addresses that do not fit."""
    problems: list[str] = []
    wrong = problems.append

    subnet = _network(parsed.network.subnet)
    if subnet is None or not 8 <= subnet.prefixlen <= 28:
        wrong(
            f"{file.name}: network.subnet: given {json.dumps(parsed.network.subnet)}; "
            f"allowed: {NetworkTable.model_fields['subnet'].description}"
        )
        subnet = IPv4Network("192.168.56.0/24")
    management = _network(parsed.network.management or _management_for(parsed.name, subnet))
    if management is None or management.prefixlen != 24:
        wrong(
            f"{file.name}: network.management: given {json.dumps(parsed.network.management)}; "
            f"allowed: {NetworkTable.model_fields['management'].description}"
        )
        management = IPv4Network("192.168.121.0/24")
    if management.overlaps(subnet):
        wrong(f"{file.name}: network.management: {management} overlaps network.subnet {subnet}")

    tables = _tables(parsed)
    if len(tables) < 2 or len(tables) > MOST_MACHINES:
        wrong(
            f"{file.name}: machines: given {len(tables)}; allowed: 2 to {MOST_MACHINES} machines "
            "(a network between hosts needs two)"
        )
    machines = _machines(file.name, parsed.provider, tables, subnet, wrong)
    archives = tuple((file.parent / path).absolute() for path in parsed.images.archives)
    for path in archives:
        if not path.is_file():
            wrong(f"{file.name}: images.archives: there is no file {path}")
    weave = _weave(file, parsed.weave, wrong) if parsed.weave else None
    ssh_config = None
    if parsed.ssh_config:
        ssh_config = (file.parent / Path(parsed.ssh_config).expanduser()).absolute()
        if parsed.provider != "hosts":
            wrong(f'{file.name}: ssh_config: only with provider = "hosts"')
        elif not ssh_config.is_file():
            wrong(f"{file.name}: ssh_config: there is no file {ssh_config}")
    if problems:
        raise DefinitionError(problems, "docs/definition.md lists every key.")
    return Lab(
        name=parsed.name,
        file=file,
        provider=parsed.provider,
        box=parsed.box,
        box_version=parsed.box_version,
        machines=machines,
        subnet=str(subnet),
        management_subnet=str(management),
        docker_version=parsed.docker.version,
        image=parsed.images.scenario,
        image_archives=archives,
        weave=weave,
        ssh_config=ssh_config,
    )


def _weave(file: Path, table: WeaveTable, wrong: Any) -> Plugin:
    archive = (file.parent / table.plugin_archive).absolute() if table.plugin_archive else None
    if archive and not archive.is_file():
        wrong(f"{file.name}: weave.plugin_archive: there is no file {archive}")
    if archive and "@" in table.plugin:
        wrong(
            f"{file.name}: weave.plugin: given {json.dumps(table.plugin)}; allowed: with "
            "plugin_archive a name and a tag (a digest names what a registry has)"
        )
    if PASSWORD_SETTING in table.settings:
        wrong(f"{file.name}: weave.settings.{PASSWORD_SETTING}: its place is weave.password")
    return Plugin(table.plugin, archive, dict(table.settings), table.password)


def _tables(parsed: LabFile) -> list[MachineTable]:
    group = parsed.machines
    if isinstance(group, list):
        return group
    return [
        MachineTable(
            name=f"machine{number}",
            role="manager" if number <= group.managers else "worker",
            cpus=group.cpus,
            memory=group.memory,
        )
        for number in range(1, group.count + 1)
    ]


def _machines(
    file: str,
    provider: str,
    tables: list[MachineTable],
    subnet: IPv4Network,
    wrong: Any,
) -> tuple[Machine, ...]:
    machines: list[Machine] = []
    names: set[str] = set()
    taken: dict[str, str] = {}
    given = {table.address for table in tables if table.address}
    free = (
        str(address)
        for number, address in enumerate(subnet.hosts(), start=1)
        if number >= FIRST_HOST and str(address) not in given
    )
    any_role = any(table.role for table in tables)
    for number, table in enumerate(tables, start=1):
        key = f"{file}: machines[{number}]"
        if table.name in names:
            wrong(f"{key}.name: {table.name!r} is already another machine's name")
        names.add(table.name)
        access = None
        if provider == "hosts":
            if not table.address:
                wrong(f'{key}.address: missing; with provider "hosts" every machine needs one')
            access = Access(table.address or "", table.user, table.port, table.key, table.jump)
            address = table.private_address or table.address or ""
            if table.private_address and _address(address) is None:
                wrong(f"{key}.private_address: given {json.dumps(address)}; allowed: IPv4")
        else:
            for only in ("user", "port", "key", "jump", "private_address"):
                if getattr(table, only) is not None:
                    wrong(f'{key}.{only}: only with provider = "hosts"')
            address = table.address or next(free, "")
            if not address:
                wrong(f"{key}.address: network.subnet {subnet} has no address left for it")
            elif problem := _address_problem(address, subnet):
                wrong(f"{key}.address: given {json.dumps(address)}; {problem}")
        if address and address in taken:
            wrong(f"{key}.address: {address} is already {taken[address]}'s")
        taken[address] = table.name
        role: Role = table.role or ("worker" if any_role or number > 1 else "manager")
        machines.append(Machine(table.name, role, table.cpus, table.memory, address, access))
    managers = sum(machine.role == "manager" for machine in machines)
    if not 1 <= managers <= MOST_MANAGERS:
        wrong(
            f"{file}: machines: given {managers} managers; allowed: 1 to {MOST_MANAGERS} "
            '(role = "manager")'
        )
    return tuple(machines)


def _address_problem(text: str, subnet: IPv4Network) -> str:
    address = _address(text)
    if address is None:
        return "allowed: an IPv4 address"
    if address not in subnet:
        return f"allowed: an address inside network.subnet {subnet}"
    if address in {subnet.network_address, subnet.broadcast_address, subnet.network_address + 1}:
        return f"allowed: an address of {subnet} other than the first two and the last"
    return ""


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text)
    except ValueError:
        return None


def _management_for(name: str, subnet: IPv4Network) -> str:
    """A /24 for libvirt's management network: by lab name, so that labs live side by side.

    The same name gives the same network on every host, so rendering stays deterministic.
    """
    start = sum(ord(char) * (index + 7) for index, char in enumerate(name)) % 80
    for step in range(80):
        candidate = IPv4Network(f"192.168.{130 + (start + step) % 80}.0/24")
        if not candidate.overlaps(subnet):
            return str(candidate)
    return "10.213.121.0/24"
