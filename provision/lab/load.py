"""lab.toml to a `Lab` value; every error is reported with file, key and reason."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provision.lab import docker_settings, machine_keys, provider_settings
from provision.lab import proxy as proxies
from provision.lab import swarm as swarms
from provision.lab.model import (
    PASSWORD_SETTING,
    Access,
    Forward,
    Lab,
    MachineSpec,
    PluginSpec,
    Proxy,
    Role,
    Script,
    SwarmSpec,
)
from provision.lab.schema import (
    MOST_MACHINES,
    MOST_MANAGERS,
    NAME_ALLOWED,
    NAME_PATTERN,
    DockerTable,
    ForwardTable,
    HypervTable,
    ImagesTable,
    LabFile,
    MachinesTable,
    MachineTable,
    NetworkTable,
    ProxyTable,
    SwarmTable,
    WeaveTable,
)
from provision.lab.state import LabState
from provision.support import text
from provision.support.errors import DefinitionError

DEFAULT_FILE = "lab.toml"
# The host itself takes .1 on the private network, and .2 to .10 are left to it and its tools.
FIRST_HOST = 11
# Networks that a lab's machines or Docker use already.
# Sources: RFC 6890; https://docs.docker.com/engine/daemon/ipv6/ (default address pools) and
# https://docs.docker.com/engine/swarm/networking/
INGRESS = "10.0.0.0/24"
RESERVED = {
    "0.0.0.0/8": 'addresses of "this network"',
    "127.0.0.0/8": "loopback addresses",
    "169.254.0.0/16": "link-local addresses",
    "224.0.0.0/4": "multicast addresses",
    "172.17.0.0/16": "Docker's own network (docker0)",
    "172.18.0.0/16": "Docker's own network (docker_gwbridge)",
    INGRESS: "the swarm's own network (ingress)",
}


class Problems:
    """The errors found in one lab file, a line each."""

    def __init__(self, file: Path) -> None:
        self.file = file.name
        self.lines: list[str] = []

    def add(self, key: str, what: str) -> None:
        self.lines.append(f"{self.file}: {key}: {what}")

    def given(self, key: str, value: object, allowed: str) -> None:
        self.add(key, f"given {json.dumps(value)}; allowed: {allowed}")


def load_lab(lab_file: str) -> Lab:
    """The lab of the file given by flag, else $SWARMRIG_LAB, else lab.toml in this folder."""
    return load(find_file(lab_file))


def find_file(given: str | None = None) -> Path:
    """The lab file: the one given, else $SWARMRIG_LAB, else lab.toml in the current folder."""
    return _place(Path(given or os.environ.get("SWARMRIG_LAB") or DEFAULT_FILE))


def _place(file: Path) -> Path:
    """The file in its real folder, as the provider's tools see it; the file may be a symlink."""
    return file.parent.resolve() / file.name


def load(file: Path) -> Lab:
    """Read and check a lab file. Raises DefinitionError with a line for each error."""
    file = _place(file)
    problems = Problems(file)
    lab = _build(file, _parse(file), problems)
    if problems.lines:
        raise DefinitionError(problems.lines, "docs/definition.md lists every key.")
    return lab


def load_copy(copy: Path, file: Path) -> Lab:
    """The lab of a kept copy of its file, as if the copy were where the file was.

    The copy was checked when it was kept: a file that it names may be missing since.
    """
    file = _place(file)
    return _build(file, _parse(copy), Problems(copy))


def remains(name: str, file: Path) -> Lab:
    """A lab of which only the name is known, to be destroyed. Raises DefinitionError."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise DefinitionError([f"name: given {json.dumps(name)}; allowed: {NAME_ALLOWED}"])
    lab = _build(_place(file), LabFile(name=name), Problems(file))
    made = sorted(path.name for path in lab.files.vagrant.glob("machines/*"))
    machines = tuple(replace(lab.machines[0], name=one) for one in made)
    return replace(lab, machines=machines or lab.machines)


def _parse(file: Path) -> LabFile:
    try:
        # Some editors on Windows write a byte order mark.
        text = file.read_text(encoding="utf-8-sig")
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
    """One error in one line: file, key, what was given, what is allowed."""
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
    if "PASSWORD" in key.upper() or key.startswith("proxy"):
        given = "a value that is not shown"
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
        if part == "provider_settings":
            break  # what is inside has names of the provider's
        inside: dict[str, type[BaseModel]] = {
            "network": NetworkTable,
            "docker": DockerTable,
            "proxy": ProxyTable,
            "hyperv": HypervTable,
            "swarm": SwarmTable,
            "images": ImagesTable,
            "weave": WeaveTable,
            "machines": MachinesTable,
        }
        if part == "forward" and model is MachineTable:
            model = ForwardTable
        if depth == 0 and part in inside and len(loc) > 1:
            model = LabFile if isinstance(loc[1], int) else inside[part]
    return model, description


def _build(file: Path, parsed: LabFile, problems: Problems) -> Lab:
    """The lab, and what is wrong across keys: repeated names, addresses that do not fit."""
    subnet, management = _networks(parsed, problems)
    machines = _machines(file, parsed, subnet, problems)
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
        image_archives=_archives(file, parsed, problems),
        weave=_weave(file, parsed.weave, problems) if parsed.weave else None,
        ssh_config=_ssh_config(file, parsed, problems),
        suite=_suite(parsed, problems),
        docker_settings=_docker_settings(parsed, problems),
        proxy=_proxy(parsed, problems),
        provider_settings=_provider_settings(parsed, problems),
        hyperv_switch=_switch(parsed, problems),
        provision=_script(file, parsed.provision, "provision", problems),
        swarm=_swarm(parsed, (subnet, management), machines, problems),
    )


def _suite(parsed: LabFile, problems: Problems) -> str:
    """The Debian that machines are made of, where what they are made of is built here."""
    if parsed.suite and parsed.provider == "hosts":
        problems.add("suite", 'not with provider = "hosts": the hosts have a system already')
    elif parsed.suite and parsed.box != "auto":
        problems.add("suite", f"not with a box: {parsed.box} has its own")
    return parsed.suite or ""


def _docker_settings(parsed: LabFile, problems: Problems) -> dict[str, Any]:
    for key, reason in docker_settings.problems(parsed.docker.settings):
        problems.add(f"docker.settings.{key}", reason)
    return parsed.docker.settings


def _provider_settings(parsed: LabFile, problems: Problems) -> dict[str, dict[str, Any]]:
    for key, reason in provider_settings.problems(parsed.provider_settings):
        problems.add(f"provider_settings.{key}", reason)
    return parsed.provider_settings


def _script(file: Path, name: str | None, key: str, problems: Problems) -> Script | None:
    if not name:
        return None
    path = file.parent / Path(name).expanduser()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problems.add(key, f"there is no file {path}")
        content = b""
    except OSError as error:
        problems.add(key, f"{path} cannot be read: {error.strerror}")
        content = b""
    if content.partition(b"\n")[0].endswith(b"\r"):
        problems.add(key, f"{name} has the line ends of Windows (CRLF), which no Linux can run")
    return Script(str(Path(name).expanduser()), hashlib.sha256(content).hexdigest())


def _switch(parsed: LabFile, problems: Problems) -> str:
    if parsed.hyperv.switch and parsed.provider not in {"auto", "hyperv"}:
        problems.add("hyperv.switch", f'not with provider = "{parsed.provider}"')
    return parsed.hyperv.switch or ""


def _proxy(parsed: LabFile, problems: Problems) -> Proxy | None:
    table = parsed.proxy
    if table is None:
        return None
    for key, url in (("http", table.http), ("https", table.https)):
        if url and (problem := proxies.problem(url)):
            problems.add(f"proxy.{key}", problem)
    if table.no_proxy and (problem := proxies.list_problem(table.no_proxy)):
        problems.add("proxy.no_proxy", problem)
    if not (table.http or table.https):
        problems.add("proxy", "neither http nor https is given")
    return Proxy(table.http or "", table.https or "", table.no_proxy or "")


def _swarm(
    parsed: LabFile,
    networks: tuple[IPv4Network, IPv4Network],
    machines: Sequence[MachineSpec],
    problems: Problems,
) -> SwarmSpec:
    table = parsed.swarm
    spec = SwarmSpec(tuple(table.address_pool or ()), table.subnet_size, table.data_path_port)
    # The swarm's own network (ingress) comes out of the pool.
    taken = {network: what for network, what in RESERVED.items() if network != INGRESS}
    if parsed.provider == "hosts":
        taken |= {f"{m.address}/32": f"{m.name}'s address" for m in machines if _address(m.address)}
    else:
        taken |= dict(
            zip(map(str, networks), ("network.subnet", "network.management"), strict=True)
        )
    for key, reason in swarms.problems(spec, taken):
        problems.add(f"swarm.{key}", reason)
    return spec


def _networks(parsed: LabFile, problems: Problems) -> tuple[IPv4Network, IPv4Network]:
    """The underlay, and the network by which libvirt reaches the machines."""
    allowed = {key: info.description or "" for key, info in NetworkTable.model_fields.items()}
    subnet = _network(parsed.network.subnet)
    if subnet is None or not 8 <= subnet.prefixlen <= 28:
        problems.given("network.subnet", parsed.network.subnet, allowed["subnet"])
        subnet = IPv4Network("192.168.56.0/24")
    management = _network(parsed.network.management or _management_for(parsed.name, subnet))
    if management is None or management.prefixlen != 24:
        problems.given("network.management", parsed.network.management, allowed["management"])
        management = IPv4Network("192.168.121.0/24")
    if parsed.provider != "hosts":
        for key, network in (("network.subnet", subnet), ("network.management", management)):
            for reserved, what in RESERVED.items():
                if network.overlaps(IPv4Network(reserved)):
                    problems.add(key, f"{network} overlaps {reserved}: {what}")
    if management.overlaps(subnet):
        problems.add("network.management", f"{management} overlaps network.subnet {subnet}")
    return subnet, management


def _archives(file: Path, parsed: LabFile, problems: Problems) -> tuple[Path, ...]:
    archives = tuple((file.parent / path).absolute() for path in parsed.images.archives)
    for path in archives:
        if not path.is_file():
            problems.add("images.archives", f"there is no file {path}")
    return archives


def _ssh_config(file: Path, parsed: LabFile, problems: Problems) -> Path | None:
    if not parsed.ssh_config:
        return None
    path = (file.parent / Path(parsed.ssh_config).expanduser()).absolute()
    if parsed.provider != "hosts":
        problems.add("ssh_config", 'only with provider = "hosts"')
    elif not path.is_file():
        problems.add("ssh_config", f"there is no file {path}")
    return path


def _weave(file: Path, table: WeaveTable, problems: Problems) -> PluginSpec:
    archive = (file.parent / table.plugin_archive).absolute() if table.plugin_archive else None
    if archive and not archive.is_file():
        problems.add("weave.plugin_archive", f"there is no file {archive}")
    if archive and "@" in table.plugin:
        problems.given(
            "weave.plugin",
            table.plugin,
            "with plugin_archive a name and a tag (a digest identifies a registry's plugin)",
        )
    if PASSWORD_SETTING in table.settings:
        problems.add(f"weave.settings.{PASSWORD_SETTING}", "its place is weave.password")
    return PluginSpec(table.plugin, archive, dict(table.settings), table.password)


# -- machines ---------------------------------------------------------------------------------


def _machines(
    file: Path, parsed: LabFile, subnet: IPv4Network, problems: Problems
) -> tuple[MachineSpec, ...]:
    tables = _tables(parsed, problems)
    if not 2 <= len(tables) <= MOST_MACHINES:
        problems.add(
            "machines",
            f"given {len(tables)}; allowed: 2 to {MOST_MACHINES} machines "
            "(a network between hosts needs two)",
        )
    _check_names(tables, problems)
    ways: list[tuple[str, Access | None]] = []
    if parsed.provider == "hosts":
        ways += [_host(f"machines[{n}]", t, problems) for n, t in enumerate(tables, start=1)]
    else:
        kept = _kept_addresses(file, parsed.name, subnet)
        addresses = _addresses(tables, subnet, kept, problems)
        ways += [(address, None) for address in addresses]
    _check_addresses(tables, [address for address, _ in ways], problems)
    machines = tuple(
        MachineSpec(
            table.name,
            role,
            table.cpus,
            table.memory,
            address,
            access,
            table.box or "",
            table.disk,
            tuple(Forward(one.guest, one.host, one.address) for one in table.forward),
            table.provider_settings,
            _script(file, table.provision, f"machines[{number}].provision", problems),
        )
        for number, (table, role, (address, access)) in enumerate(
            zip(tables, _roles(tables), ways, strict=True), start=1
        )
    )
    for number, machine in enumerate(machines, start=1):
        for key, reason in provider_settings.problems(machine.provider_settings):
            problems.add(f"machines[{number}].provider_settings.{key}", reason)
    for key, reason in machine_keys.problems(parsed.provider, machines):
        problems.add(key, reason)
    managers = sum(machine.role == "manager" for machine in machines)
    if not 1 <= managers <= MOST_MANAGERS:
        problems.add(
            "machines",
            f'given {managers} managers; allowed: 1 to {MOST_MANAGERS} (role = "manager")',
        )
    return machines


def _tables(parsed: LabFile, problems: Problems) -> list[MachineTable]:
    group = parsed.machines
    if isinstance(group, list):
        return group
    if group.managers > group.count:
        problems.given(
            "machines.managers", group.managers, f"at most machines.count, which is {group.count}"
        )
    return [
        MachineTable(
            name=f"machine{number}",
            role="manager" if number <= group.managers else "worker",
            cpus=group.cpus,
            memory=group.memory,
        )
        for number in range(1, group.count + 1)
    ]


def _roles(tables: Sequence[MachineTable]) -> list[Role]:
    """Each machine's role: where none has one, the first is the manager."""
    default: Role = "worker" if any(table.role for table in tables) else "manager"
    return [table.role or (default if n == 0 else "worker") for n, table in enumerate(tables)]


def _check_names(tables: Sequence[MachineTable], problems: Problems) -> None:
    names: set[str] = set()
    for number, table in enumerate(tables, start=1):
        if table.name in names:
            problems.add(
                f"machines[{number}].name", f"{table.name!r} is already another machine's name"
            )
        if table.name == "localhost":
            problems.add(f"machines[{number}].name", '"localhost" is every machine itself')
        names.add(table.name)


def _check_addresses(
    tables: Sequence[MachineTable], addresses: Sequence[str], problems: Problems
) -> None:
    taken: dict[str, str] = {}
    for number, (table, address) in enumerate(zip(tables, addresses, strict=True), start=1):
        if address and address in taken:
            problems.add(f"machines[{number}].address", f"{address} is already {taken[address]}'s")
        taken[address] = table.name


def _host(key: str, table: MachineTable, problems: Problems) -> tuple[str, Access]:
    """An existing host: its address on the underlay, and how SSH reaches it."""
    if not table.address:
        problems.add(f"{key}.address", 'missing; with provider "hosts" every machine needs one')
    access = Access(table.address or "", table.user, table.port, table.key, table.jump)
    if table.private_address and _address(table.private_address) is None:
        problems.given(f"{key}.private_address", table.private_address, "IPv4")
    elif table.address and not table.private_address and _address(table.address) is None:
        problems.add(
            f"{key}.private_address",
            f"missing; address {json.dumps(table.address)} is no IPv4 address, and the other "
            'machines need one, such as "10.0.1.11"',
        )
    return table.private_address or table.address or "", access


def _addresses(
    tables: Sequence[MachineTable], subnet: IPv4Network, kept: dict[str, str], problems: Problems
) -> list[str]:
    """The virtual machines' addresses: given, else kept from an earlier `up`, else the next."""
    given = {table.address for table in tables if table.address}
    kept = {name: address for name, address in kept.items() if address not in given}
    free = _free(subnet, {*given, *kept.values()})
    addresses = []
    for number, table in enumerate(tables, start=1):
        key = f"machines[{number}]"
        for only in ("user", "port", "key", "jump", "private_address"):
            if getattr(table, only) is not None:
                problems.add(f"{key}.{only}", 'only with provider = "hosts"')
        address = table.address or kept.get(table.name) or next(free, "")
        if not address:
            problems.add(f"{key}.address", f"network.subnet {subnet} has no address left for it")
        elif problem := _address_problem(address, subnet):
            problems.add(f"{key}.address", f"given {json.dumps(address)}; {problem}")
        addresses.append(address)
    return addresses


def _free(subnet: IPv4Network, taken: set[str]) -> Iterator[str]:
    for number, address in enumerate(subnet.hosts(), start=1):
        if number >= FIRST_HOST and str(address) not in taken:
            yield str(address)


def _kept_addresses(file: Path, name: str, subnet: IPv4Network) -> dict[str, str]:
    """The addresses that the lab's machines have, so that one machine less moves no other."""
    with suppress(OSError, ValueError, AttributeError):
        kept = json.loads(
            LabState(file.parent / ".swarmrig" / name).addresses.read_text(encoding="utf-8")
        )
        return {
            str(machine): str(address)
            for machine, address in kept.items()
            if not _address_problem(str(address), subnet)
        }
    return {}


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
    """A /24 for libvirt's management network, by lab name, so that labs do not collide.

    The same name gives the same network on every host, so rendering is deterministic.
    """
    start = sum(ord(char) * (index + 7) for index, char in enumerate(name)) % 80
    for step in range(80):
        candidate = IPv4Network(f"192.168.{130 + (start + step) % 80}.0/24")
        if not candidate.overlaps(subnet):
            return str(candidate)
    return "10.213.121.0/24"
