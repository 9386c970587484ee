"""Judgements of the path between two tasks: full-size packets, and TCP with its content checked.

Small pings alone prove little: an underlay that drops large packets, or an interface that sends
wrong TCP checksums, lets them pass.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass

from provision.machine.machine import Machine
from provision.support.parallel import run_on_all
from scenarios.checks import kernel
from scenarios.evidence.capture import underlay_interface
from scenarios.evidence.ping import inside
from scenarios.kit.step import Step, StepFailed
from scenarios.record.model import Layer

FULL_SIZE_PROVES = (
    "Packets of the network's full size arrive unfragmented: the underlay has room for them and "
    "for the encapsulation around them."
)
TCP_PROVES = "A TCP connection between the tasks carries data unchanged, in packets of any size."
VIRTUAL_PROVES = (
    "The kernel's load balancer (IPVS) takes the service's virtual address to its task."
)

NARROW_PROVES = (
    "Packets are dropped for their size, on the way and without a word: nobody is told to send "
    "smaller ones."
)
HANGS_PROVES = (
    "A connection is made, for its first packets are small; the data is sent in large ones, again "
    "and again, and never arrives."
)

BYTES = 256 * 1024
_LINE = "swarmrig\n"
CONTENT = (_LINE * (BYTES // len(_LINE) + 1)).encode()[:BYTES]
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ADDRESS_PORT, NAME_PORT = 7701, 7702
# What Docker, or the container's shell, says where it cannot run the command.
_NOT_TRIED = re.compile(r"Error response from daemon|No such container|OCI runtime|: not found")
_LISTENS = 180  # seconds: while the largest packet that passes is looked for, too


@dataclass(frozen=True)
class End:
    """One end of the path: a task's container, its address, and the machine that it runs on."""

    task: str
    address: str
    machine: Machine


def end(step: Step, number: str) -> End:
    """The task that was remembered as task`number`. Raises StepFailed where it has no address."""
    task, address = (step.names.get(f"{what}{number}", "") for what in ("task", "address"))
    if not task or not address:
        raise StepFailed(f"the task on machine{number}, or its address, is not known")
    return End(task, address, step.context.machines[f"machine{number}"])


def expect_any_size(step: Step, here: End, there: End, network: str, service: str = "") -> None:
    """Full-size packets cross, and TCP does; with a `service` also by its virtual address.

    The listeners are started on the other machine while the packets are pinged.
    """
    lacking = kernel.without_ipvs(here.machine) if service else ""
    ports = [ADDRESS_PORT, *([NAME_PORT] if service and not lacking else [])]
    with step.beside([_listen(there, port) for port in ports], there.machine):
        expect_full_size(step, here, there, network)
    _expect_arrives(step, here, there.address, ADDRESS_PORT, TCP_PROVES, "TCP")
    if service and not lacking:
        name = step.called(service)
        _expect_arrives(step, here, name, NAME_PORT, VIRTUAL_PROVES, "virtual address")
    elif service:
        step.skip(
            _arrives(service),
            lacking,
            expected=f"sha256:{DIGEST}",
            seen="not tried",
            source="command",
            proves=VIRTUAL_PROVES,
            layer="virtual address",
        )


def expect_full_size(step: Step, here: End, there: End, network: str, size: int = 0) -> bool:
    """Packets as large as the task's interface sends them are answered, and not fragmented.

    Where a `size` is given, the interface has to have it as its MTU.
    """
    mtu = _mtu(step, here, network)
    if size:
        step.expect(f"the MTU of the task's interface in {network}", expected=size, seen=mtu)
    size = mtu
    _remember_underlay(step)
    ping = step.full_size_ping(here.task, there.address, size)
    seen = f"{ping.received} replies"
    if ping.largest == 0:
        seen += "; no packet of any size is answered"
    elif ping.largest is not None:
        seen += f"; the largest packet that is answered has {ping.largest} bytes"
    return step.expect(
        f"a ping of {there.address} with packets of {size} bytes, which must not be fragmented, "
        "is answered",
        expected=f"{ping.sent or 3} replies",
        seen=seen,
        passed=ping.sent > 0 and ping.received == ping.sent,
        source="ping",
        proves=FULL_SIZE_PROVES,
        layer="large packet",
    )


def expect_no_full_size(step: Step, here: End, there: End, network: str, fits: int) -> bool:
    """Such packets are lost, and those of `fits` bytes are the largest that are answered."""
    size = _mtu(step, here, network)
    ping = step.full_size_ping(here.task, there.address, size)
    return step.expect(
        f"of a ping of {there.address} with packets of {size} bytes none is answered; the largest "
        f"packet that is has {fits} bytes",
        expected=[0, fits],
        seen=[ping.received, ping.largest],
        passed=ping.sent > 0 and [ping.received, ping.largest] == [0, fits],
        source="ping",
        proves=NARROW_PROVES,
    )


def _mtu(step: Step, here: End, network: str) -> int:
    """The MTU of the interface that has the task's address; it is noted in the topology."""
    interface = f'"$(ip -o -4 address show to {here.address} | cut -d" " -f2)"'
    shown = here.machine.run_checked(
        f"{inside(here.task)} sh -c {shlex.quote(f'ip link show {interface}')}", 60, sudo=True
    )
    found = re.search(r"\bmtu (\d+)", shown)
    if found is None:
        raise StepFailed(f"the task {here.task} has no interface with the address {here.address}")
    for one in step.context.topology.networks:
        if one.name == step.called(network):
            one.mtu = int(found[1])
    return int(found[1])


def _remember_underlay(step: Step) -> None:
    """Note the MTU of each machine's underlay in the topology."""
    hosts = {host.name: host for host in step.context.topology.hosts}

    def look(machine: Machine) -> None:
        shown = machine.run_checked(f"ip link show {underlay_interface(machine)}", 30)
        if found := re.search(r"\bmtu (\d+)", shown):
            hosts[machine.name].mtu = int(found[1])

    run_on_all("looking at the underlay", step.context.machines.values(), look)


def expect_tcp(step: Step, here: End, there: End) -> bool:
    """Data goes by TCP from one task to the other's address, and arrives as it was sent."""
    step.run(_listen(there, ADDRESS_PORT), on=there.machine)
    return _expect_arrives(step, here, there.address, ADDRESS_PORT, TCP_PROVES, "TCP")


def expect_no_tcp(step: Step, here: End, there: End) -> bool:
    """A TCP connection to the other task's address hangs: no answer comes within its limit.

    One that could not even be tried shows nothing.
    """
    step.run(_listen(there, ADDRESS_PORT), on=there.machine)
    digest, said = _sent(step, here, there.address, ADDRESS_PORT)
    tried = not _NOT_TRIED.search(said)
    return step.expect(
        f"{BYTES // 1024} KiB sent by TCP to {there.address} do not arrive",
        expected="no answer",
        seen=f"sha256:{digest}" if digest else f"no answer ({said})",
        passed=tried and not digest,
        source="command",
        proves=HANGS_PROVES,
        machine=here.machine,
    )


def _arrives(target: str) -> str:
    return f"{BYTES // 1024} KiB sent by TCP to {target} arrive unchanged"


def _expect_arrives(
    step: Step, here: End, target: str, port: int, proves: str, layer: Layer
) -> bool:
    """What is sent to `target`, where a task listens, arrives as it was sent."""
    digest, said = _sent(step, here, target, port)
    return step.expect(
        _arrives(target),
        expected=f"sha256:{DIGEST}",
        seen=f"sha256:{digest}" if digest else f"no answer ({said})",
        source="command",
        proves=proves,
        machine=here.machine,
        layer=layer,
    )


def _listen(there: End, port: int) -> str:
    """The command after which a task listens, and answers what it was sent with its digest.

    It reads exactly that many bytes: not every busybox closes its side when the input ends.
    """
    answer = shlex.quote(f"head -c {BYTES} | sha256sum")
    return (
        f"docker exec -d {shlex.quote(there.task)} "
        f"timeout {_LISTENS} nc -l -p {port} -e sh -c {answer}"
    )


def _sent(step: Step, here: End, target: str, port: int) -> tuple[str, str]:
    """Send `CONTENT` from `here` to `target`, where a task listens and answers with its digest.

    Returns the digest, "" where none came, and the last words of the command. The second try is
    for a listener that was not up yet.
    """
    once = f"yes {_LINE.strip()} | head -c {BYTES} | timeout 10 nc -w 5 {target} {port}"
    script = f"{once} || {{ sleep 1; {once}; }}"
    result = step.run(
        f"docker exec {shlex.quote(here.task)} sh -c {shlex.quote(script)}",
        on=here.machine,
        must=False,
    )
    digests = re.findall(r"\b[0-9a-f]{64}\b", result.stdout)
    return digests[-1] if digests else "", result.last_words
