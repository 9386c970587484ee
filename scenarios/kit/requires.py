"""What a scenario needs of a lab, and whether the lab has it: asked before anything is made.

    Scenario("ipvlan", …, requires=(Device("ipvlan", "l2"),))
    Scenario("quorum", …, machines=3, requires=(Managers(3), OWN_POWER))

What the kernel has is tried on the machine, in a network namespace of its own that ends with the
trial: a module that is there is loaded by it, and one that is not is missed in the kernel's words.
Each trial is made once for each machine and run (`Probed`), on all machines at once.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.lab.model import Lab, MachineSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.parallel import run_on_all


@dataclass(frozen=True)
class Given:
    """What a lab file says of a lab: its machines, and where they come from."""

    lab: str
    machines: Sequence[MachineSpec]
    provider: str


class Requirement:
    """Something that a scenario needs. A kind overrides what it has to ask."""

    def words(self) -> str:
        """What is needed, such as "3 machines"."""
        raise NotImplementedError

    def of_lab(self, given: Given) -> str:
        """Why the lab as it is defined does not have it; "" where it does."""
        return ""

    def advice(self) -> str:
        """What to change in lab.toml so that the lab has it; "" where that does not help."""
        return ""

    def of_engine(self, version: str) -> str:
        """Why an engine of this version does not have it; "" where it does."""
        return ""

    def trial(self) -> str:
        """Shell text that root can run on a machine that has it, in a network namespace; or ""."""
        return ""

    def lacks(self) -> str:
        """What a machine on which the trial fails has not, such as "no IPVS in its kernel"."""
        return ""


def _too_few(need: Machines | Managers, there: int, given: Given) -> str:
    """Why so many are not enough; "" where they are."""
    if there >= need.count:
        return ""
    return f"it needs {need.words()}; lab {given.lab} has {there}"


@dataclass(frozen=True)
class Machines(Requirement):
    """So many machines."""

    count: int

    def words(self) -> str:
        return f"{self.count} machine{'s' if self.count > 1 else ''}"

    def of_lab(self, given: Given) -> str:
        return _too_few(self, len(given.machines), given)

    def advice(self) -> str:
        return "Add [[machines]] tables to lab.toml, then: inv up"


@dataclass(frozen=True)
class Managers(Requirement):
    """So many managers; with `exactly`, no more of them either."""

    count: int
    exactly: bool = False

    def words(self) -> str:
        exactly = "exactly " if self.exactly else ""
        return f"{exactly}{self.count} manager{'s' if self.count > 1 else ''}"

    def of_lab(self, given: Given) -> str:
        there = _managers(given)
        if self.exactly and there > self.count:
            return f"it needs {self.words()}; lab {given.lab} has {there}"
        return _too_few(self, there, given)

    def advice(self) -> str:
        many = f"{self.count}" if self.exactly else "more"
        return f'Give {many} [[machines]] in lab.toml role = "manager", then: inv up'


@dataclass(frozen=True)
class MajorityLeft(Requirement):
    """Managers of which more than half are left without the second machine: not two of them."""

    def words(self) -> str:
        return "one manager, or three or more"

    def of_lab(self, given: Given) -> str:
        if _managers(given) != 2:
            return ""
        return (
            f"it loses the second machine, and lab {given.lab} has two managers: one of two is no "
            "majority, and could not say what has become of the other"
        )

    def advice(self) -> str:
        return 'Give one or three [[machines]] in lab.toml role = "manager", then: inv up'


MAJORITY_LEFT = MajorityLeft()


def _managers(given: Given) -> int:
    return sum(machine.role == "manager" for machine in given.machines)


@dataclass(frozen=True)
class Own(Requirement):
    """Machines that have something to themselves which a scenario breaks: power, or a clock."""

    what: str

    def words(self) -> str:
        return f"virtual machines, which have a {self.what} of their own"

    def of_lab(self, given: Given) -> str:
        if given.provider == "hosts":
            return f"the {self.what} of existing hosts is their owner's, and not to be tried with"
        if given.provider == "docker":
            return f"the machines are containers, which have the {self.what} of their host"
        return ""


@dataclass(frozen=True)
class OwnNetworks(Requirement):
    """Machines of the lab's own: what a scenario opens is open to the lab's networks alone."""

    def words(self) -> str:
        return "machines of the lab's own"

    def of_lab(self, given: Given) -> str:
        if given.provider != "hosts":
            return ""
        return (
            "it publishes ports, which the routing mesh opens on all addresses of a node: on "
            "existing hosts others could reach them"
        )


OWN_NETWORKS = OwnNetworks()
OWN_POWER = Own("power supply")
OWN_CLOCK = Own("clock")


@dataclass(frozen=True)
class Engine(Requirement):
    """Docker Engine of a version, or a later one. `since` says what it can do from then on."""

    version: str
    since: str = ""

    def words(self) -> str:
        return f"Docker Engine {self.version} or later" + (f" ({self.since})" if self.since else "")

    def of_engine(self, version: str) -> str:
        if _numbers(version) >= _numbers(self.version):
            return ""
        return f"has Docker Engine {version}, and it needs {self.words()}"


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: "20.10.24+dfsg1" is (20, 10, 24)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


@dataclass(frozen=True)
class Kernel(Requirement):
    """Something of the kernel of each machine, which shell text tries."""

    what: str
    text: str

    def words(self) -> str:
        return f"{self.what} in the kernel of each machine"

    def trial(self) -> str:
        return self.text

    def lacks(self) -> str:
        return f"no {self.what}"


def device(kind: str, mode: str = "") -> Kernel:
    """Network devices of a kind over another device, such as macvlan. Source: ip-link(8)."""
    add = f"ip link add link try0 name try2 type {kind}" + (f" mode {mode}" if mode else "")
    pair = "ip link add try0 type veth peer name try1"
    return Kernel(f"network devices of the kind {kind}", f"{pair} && {add}")


# Swarm hands connections to a service's virtual address over to the kernel's load balancer. To ask
# for its netlink family loads the module; a container that cannot load one sees it in /proc.
IPVS = Kernel(
    "IPVS",
    "genl ctrl get name IPVS || test -e /proc/net/ip_vs || modprobe -n -q ip_vs",
)

# The state that an engine sets for an encrypted overlay network.
# Source: moby, libnetwork/drivers/overlay/encryption.go (programSA).
ESP = Kernel(
    "encryption of packets (ESP with AES-GCM)",
    "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport "
    f"aead 'rfc4106(gcm(aes))' 0x{'11' * 20} 64",
)

NETEM = Kernel("netem", "tc qdisc add dev lo root netem delay 1ms")

IPV6 = Kernel("IPv6", "ip -6 address add fd00::1/128 dev lo")


@dataclass
class Probed:
    """What machines were found to lack in a run, by machine and trial; "" for nothing."""

    found: dict[tuple[str, str], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def lacking(self, machine: Machine, trials: Iterable[str]) -> dict[str, str]:
        """Why each of the trials fails on the machine, in its own words; "" where it does not.

        Raises MachineError where that cannot be told.
        """
        trials = list(trials)
        with self._lock:
            open_ = [one for one in trials if (machine.name, one) not in self.found]
        answers = _try(machine, open_) if open_ else {}
        with self._lock:
            self.found |= {(machine.name, trial): said for trial, said in answers.items()}
            return {trial: self.found[machine.name, trial] for trial in trials}


_TRY = r"""PATH=$PATH:/usr/sbin:/sbin
command -v unshare >/dev/null || { echo "it has no unshare: install util-linux" >&2; exit 1; }
try() {
  if said=$(unshare -n sh -c "$2" 2>&1); then echo "$1 yes"
  else echo "$1 no $(printf '%s' "$said" | head -n 1)"; fi
}
"""


# A shell's words for a program that is missing, of those without which a trial asks nothing.
_NO_TOOL = re.compile(r"\b(ip|tc): .*not found")
_TOOLS = {
    "ip": "Install iproute2 on it (iproute on Fedora).",
    "tc": "Install iproute2 on it (iproute-tc on Fedora).",
}


def _try(machine: Machine, trials: Sequence[str]) -> dict[str, str]:
    calls = "".join(f"try {at} {shlex.quote(trial)}\n" for at, trial in enumerate(trials))
    said = machine.run_checked(_TRY + calls, 60, sudo=True)
    answers: dict[str, str] = {}
    for line in said.splitlines():
        at, answer, *words = line.split(" ", 2)
        if at.isdigit() and answer in {"yes", "no"}:
            shown = "".join(words).strip() or "it said nothing"
            if answer == "no" and (tool := _NO_TOOL.search(shown)):
                # Nobody has asked the kernel, which may well have it.
                raise MachineError(
                    f"{machine.name}: what its kernel has cannot be told: it has no {tool[1]}.",
                    _TOOLS[tool[1]],
                )
            answers[trials[int(at)]] = "" if answer == "yes" else shown
    if len(answers) != len(set(trials)):
        raise MachineError(f"{machine.name}: what its kernel has cannot be told: {said.strip()}")
    return answers


def refuse(scenario: str, needs: Iterable[Requirement], given: Given) -> None:
    """Raise UserError where lab.toml defines another lab than the scenario needs.

    For what can be changed there: what a kernel or an engine lacks is no mistake of the user's.
    """
    for need in needs:
        if (why := need.of_lab(given)) and need.advice():
            raise UserError(f"Scenario {scenario} cannot run here: {why}.", need.advice())


def missing(
    needs: Sequence[Requirement],
    given: Given,
    machines: Sequence[Machine],
    infos: dict[str, dict[str, Any]],
    probed: Probed,
) -> list[str]:
    """Why a scenario cannot run on a lab, in words; empty where it can. Changes nothing.

    `infos` is what `docker info` says of each machine. Raises MachinesError.
    """
    if reasons := [why for need in needs if (why := need.of_lab(given))]:
        return reasons
    for need in needs:
        for machine in machines:
            if why := need.of_engine(str(infos[machine.name].get("ServerVersion", ""))):
                reasons.append(f"{machine.name} {why}")
    trials = [need.trial() for need in needs if need.trial()]
    if not trials:
        return reasons
    lacking = run_on_all(
        "asking what the kernel has", machines, lambda m: probed.lacking(m, trials)
    )
    for need in needs:
        lack = {name: said[need.trial()] for name, said in lacking.items() if need.trial()}
        if names := [name for name, said in lack.items() if said]:
            shown = " and ".join(names)
            reasons.append(f"the kernel of {shown} has {need.lacks()} ({lack[names[0]]})")
    return list(dict.fromkeys(reasons))


def given_by(lab: Lab) -> Given:
    """The lab as its file defines it."""
    return Given(lab.name, lab.machines, lab.provider)
