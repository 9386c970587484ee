"""lab.toml to a `Lab` value; every mistake is reported with file, key and reason."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    ValidationError,
)
from pydantic_core import ErrorDetails

from provision.lab.model import PASSWORD_SETTING, Access, Lab, MachineSpec, PluginSpec, Role
from provision.lab.schema import (
    MOST_MACHINES,
    MOST_MANAGERS,
    NAME_ALLOWED,
    NAME_PATTERN,
    DockerTable,
    ImagesTable,
    LabFile,
    MachinesTable,
    MachineTable,
    NetworkTable,
    WeaveTable,
)
from provision.support import text
from provision.support.errors import DefinitionError

if TYPE_CHECKING:
    pass


def load_lab(lab_file: str) -> Lab:
    """The lab of the file given by flag, else $SWARMRIG_LAB, else lab.toml here."""
    return load(find_file(lab_file))


DEFAULT_FILE = "lab.toml"
# The host itself takes .1 on the private network, and .2 to .10 are left to it and its tools.
FIRST_HOST = 11


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
    if not re.fullmatch(NAME_PATTERN, name):
        raise DefinitionError([f"name: given {json.dumps(name)}; allowed: {NAME_ALLOWED}"])
    lab = _build(file, LabFile(name=name))
    made = sorted(path.name for path in lab.state.glob("vagrant/machines/*"))
    machines = tuple(replace(lab.machines[0], name=one) for one in made)
    return replace(lab, machines=machines or lab.machines)


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
        hint = text.did_you_mean(str(loc[-1]), known) or f"known keys: {', '.join(known)}"
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


def _weave(file: Path, table: WeaveTable, wrong: Any) -> PluginSpec:
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
    return PluginSpec(table.plugin, archive, dict(table.settings), table.password)


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
) -> tuple[MachineSpec, ...]:
    machines: list[MachineSpec] = []
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
        machines.append(MachineSpec(table.name, role, table.cpus, table.memory, address, access))
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
