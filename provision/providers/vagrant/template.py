"""A lab and what was chosen for it, as the text of a Vagrantfile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from provision.lab.model import Lab, MachineSpec
from provision.providers import naming
from provision.providers.boxes import metadata
from provision.providers.libvirt import hardware, virsh
from provision.support.errors import UserError

TEMPLATE = Path(__file__).parents[3] / "Vagrantfile.j2"


@dataclass(frozen=True)
class Plan:
    """What was chosen for a lab: provider, box, and how its machines run.

    `driver` is libvirt's "kvm" or "qemu"; `architecture` is the machines' as Debian names it, and
    `firmware` the file of their UEFI, "" where they have a BIOS; `boot_timeout` is in seconds;
    `guest` is their system by Vagrant's name, "" where Vagrant has to find it out; with `metadata`
    machines of the lab's box take name, address and key from their hypervisor; `notes` say why, a
    line for each choice.
    """

    provider: str
    box: str
    box_version: str | None
    prefix: str
    network: str
    driver: str = "kvm"
    architecture: str = "amd64"
    firmware: str = ""
    boot_timeout: int = 600
    guest: str = ""
    metadata: bool = False
    notes: tuple[str, ...] = ()

    def hands_over(self, machine: MachineSpec) -> bool:
        """Whether a machine takes name, address and key: one of another box may take none."""
        return self.metadata and not machine.box


def ruby(value: str) -> str:
    """A text as a Ruby literal in single quotes, inside which nothing is interpreted.

    Raises UserError for control characters, which no name, address or path here has a use for.
    Source: https://docs.ruby-lang.org/en/master/syntax/literals_rdoc.html#label-Strings
    """
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise UserError(f"A control character cannot go into a Vagrantfile: {value!r}")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def literal(value: str | int | bool) -> str:
    """A text, a whole number, true or false as a Ruby literal."""
    if isinstance(value, str):
        return ruby(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def render(lab: Lab, plan: Plan) -> str:
    """The Vagrantfile; the same lab and plan give the same bytes."""
    # Loaded where it is used: `status` reads a plan as well, and is to be quick.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for a quick status

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Ruby, not HTML: the `ruby` filter quotes
    )
    environment.filters["ruby"] = ruby
    environment.filters["literal"] = literal
    subnet = IPv4Network(lab.subnet)
    return environment.get_template(TEMPLATE.name).render(
        lab=lab,
        plan=plan,
        # A comment ends with its line, which is all that a file's name could use to get out.
        file=re.sub(r"[\x00-\x1f\x7f]", "?", lab.file.name),
        # A box that is a file is named by its path.
        boxes={m.name: _box(lab, m.box) for m in lab.machines if m.box},
        netmask=str(subnet.netmask),
        prefix_length=subnet.prefixlen,
        hardware=hardware.of(plan.architecture),
        libvirt_uri=virsh.URI,
        metadata={
            machine.name: metadata.text(machine.name, machine.address, subnet.prefixlen)
            for machine in lab.machines
            if plan.hands_over(machine)
        },
        labels=list(naming.labels(lab.name, lab.state).items()),
    )


def _box(lab: Lab, box: str) -> str:
    file = lab.home / box
    return str(file) if box.endswith(".box") and file.is_file() else box
