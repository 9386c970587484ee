"""Records to make reports from: the overlay exercise passing, failing, broken off, and others.

The shapes and sizes are those of a run on two emulated machines; no test takes them for a result.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from scenarios.record.model import (
    Capture,
    Command,
    Document,
    Expectation,
    Host,
    Lane,
    LaneKind,
    Layer,
    Network,
    Packet,
    Ping,
    Record,
    Span,
    Step,
    Task,
    TimeLine,
    Topology,
)

BEGIN = datetime(2026, 11, 24, 13, 5, 9, tzinfo=UTC)
NETWORK_ID = "q3c1xk0v7m2n8p4r5s6t9u0wy"
NODE1, NODE2 = "w2k5u0l7s4hq9yd1m3bn8txrc", "z7p1e6r3v9ak2jf5c8uo4gmsd"
UNDERLAY = {"machine1": "192.168.56.11", "machine2": "192.168.56.12"}
ADDRESS = {"alpine-overlay1": "172.45.0.3", "alpine-overlay2": "172.45.0.6"}
CONTAINER = {
    "alpine-overlay1": "alpine-overlay1.1.j5m0c2v8x7n1q4w6e9r3t5y7u",
    "alpine-overlay2": "alpine-overlay2.1.b8d3f6h1k4l7p0s2a5z9x3c6v",
}
IMAGE = "swarmrig/busybox:1.35"
FIRST_RTTS = [31.6, 1.42, 1.08]


class _Clock:
    """Where in the run a step begins: each takes its time after the one before."""

    def __init__(self) -> None:
        self.at = 0.0

    def take(self, seconds: float) -> str:
        started = BEGIN + timedelta(seconds=self.at)
        self.at = round(self.at + seconds + 0.2, 2)
        return started.isoformat().replace("+00:00", "Z")


def _command(machine: str, line: str, stdout: str, code: int = 0, stderr: str = "") -> Command:
    return Command(
        machine=machine,
        command=line,
        stdout=stdout,
        stderr=stderr,
        exit_code=code,
        started=BEGIN.isoformat(),
        seconds=0.34,
    )


def _saw(
    what: str,
    seen: object,
    machine: str = "machine1",
    *,
    expected: object = None,
    source: str = "Engine API",
    proves: str = "",
    layer: Layer = "",
) -> Expectation:
    wanted = seen if expected is None else expected
    return Expectation(
        what=what,
        expected=wanted,
        seen=seen,
        passed=wanted == seen,
        source=source,
        machine=machine,
        proves=proves,
        layer=layer,
    )


def _ping(source: str, service: str, target: tuple[str, str], kind: str, rtts: list[float]) -> Ping:
    return Ping.model_validate(
        {
            "source_machine": source,
            "source_task": CONTAINER[service],
            "target": target[0],
            "address": target[1],
            "kind": kind,
            "sent": 3,
            "received": len(rtts),
            "rtts_ms": rtts,
        }
    )


def ping_output(target: str, address: str, rtts: list[float], sent: int = 3) -> str:
    """What busybox's ping prints."""
    lines = [f"PING {target} ({address}): 56 data bytes"]
    lines += [
        f"64 bytes from {address}: seq={seq} ttl=64 time={rtt:.3f} ms"
        for seq, rtt in enumerate(rtts)
    ]
    lost = round(100 * (sent - len(rtts)) / sent)
    lines += ["", f"--- {target} ping statistics ---"]
    lines += [f"{sent} packets transmitted, {len(rtts)} packets received, {lost}% packet loss"]
    if rtts:
        mean = sum(rtts) / len(rtts)
        lines += [f"round-trip min/avg/max = {min(rtts):.3f}/{mean:.3f}/{max(rtts):.3f} ms"]
    return "\n".join(lines) + "\n"


_NODES = f"""\
ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
{NODE1} *   machine1   Ready     Active         Leader           20.10.24+dfsg1
{NODE2}     machine2   Ready     Active                          20.10.24+dfsg1
"""


def _networks(*, overlay: bool) -> str:
    rows = [
        ("a41f0d7c9be2", "bridge", "bridge", "local"),
        ("5c0e83d61f7a", "docker_gwbridge", "bridge", "local"),
        ("e6b92c5d1a08", "host", "host", "local"),
        ("tk8r2v6w1xq0", "ingress", "overlay", "swarm"),
        ("93fd7e4b0c15", "none", "null", "local"),
    ]
    if overlay:
        rows.append((NETWORK_ID[:12], "overlaynet1", "overlay", "swarm"))
    table = [("NETWORK ID", "NAME", "DRIVER", "SCOPE"), *rows]
    return "".join(f"{a:<15}{b:<18}{c:<10}{d}\n" for a, b, c, d in table)


def _ps(service: str = "") -> str:
    rows = [("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")]
    if service:
        name = CONTAINER[service]
        rows.append((name[-12:], IMAGE, '"/bin/sh"', "9 seconds ago", "Up 7 seconds", "", name))
    return "".join(
        f"{a:<15}{b:<24}{c:<12}{d:<16}{e:<15}{f:<10}{g}\n" for a, b, c, d, e, f, g in rows
    )


def _converged(service: str) -> str:
    return (
        f"{NETWORK_ID[::-1]}\r\n"
        "overall progress: 0 out of 1 tasks\r\n1/1: preparing\x1b[K\r\n"
        "overall progress: 1 out of 1 tasks\r\n1/1: running   \x1b[K\r\n"
        f"verify: Service {service} converged\r\n"
    )


def _vxlan(at: float, source: str, number: int) -> Packet:
    there = "machine2" if source == "machine1" else "machine1"
    here, far = ADDRESS["alpine-overlay1"], ADDRESS["alpine-overlay2"]
    inner = (here, far) if source == "machine1" else (far, here)
    word = "request" if number % 2 == 0 else "reply"
    return Packet(
        at=at,
        outer_source=UNDERLAY[source],
        outer_destination=UNDERLAY[there],
        outer_port=4789,
        encapsulation="VXLAN",
        vni=4097,
        inner=f"ICMP echo {word} {inner[0]} > {inner[1]}, seq {number // 2}",
    )


def _capture(machine: str, source: str) -> Capture:
    """What `machine` saw while a ping from `source` ran."""
    there = "machine2" if source == "machine1" else "machine1"
    times = [0.0, 0.0316, 1.0009, 1.0023, 2.0015, 2.0026]
    packets = [
        _vxlan(at, source if number % 2 == 0 else there, number) for number, at in enumerate(times)
    ]
    return Capture(
        machine=machine,
        interface="eth1",
        filter="udp port 4789",
        file=f"raw/evidence-{source}-{machine}-eth1.pcap",
        total=12,
        packets=packets,
    )


def _hosts() -> list[Host]:
    return [
        Host(
            name=name,
            role="manager" if name == "machine1" else "worker",
            address=address,
            engine="20.10.24",
            api="1.41",
            system="Debian GNU/Linux 12",
            kernel="6.1.0-40-cloud-amd64",
        )
        for name, address in UNDERLAY.items()
    ]


def _topology() -> Topology:
    return Topology(
        hosts=_hosts(),
        networks=[
            Network(
                name="overlaynet1",
                id=NETWORK_ID,
                driver="overlay",
                scope="swarm",
                subnet="172.45.0.0/16",
                gateway="172.45.0.1",
                vni=4097,
            ),
            Network(
                name="ingress",
                id="tk8r2v6w1xq05m3n9p7y4z2ab",
                driver="overlay",
                scope="swarm",
                subnet="10.0.0.0/24",
                gateway="10.0.0.1",
                vni=4096,
            ),
        ],
        tasks=[
            Task(
                service=service,
                container=CONTAINER[service],
                machine=machine,
                network="overlaynet1",
                address=f"{ADDRESS[service]}/16",
            )
            for service, machine in (
                ("alpine-overlay1", "machine1"),
                ("alpine-overlay2", "machine2"),
            )
        ],
    )


def _service_line(service: str, machine: str) -> str:
    node = NODE1 if machine == "machine1" else NODE2
    return (
        "docker service create -t --replicas 1 --network overlaynet1 --no-resolve-image "
        f"--constraint node.id=={node} --name {service} {IMAGE}"
    )


def _name_ping(number: str, machine: str, service: str, target: str, clock: _Clock) -> Step:
    vip = "172.45.0.5" if target == "alpine-overlay2" else "172.45.0.2"
    rtts = [0.148, 0.093, 0.089]
    line = f"docker exec {CONTAINER[service]} ping -c 3 {target}"
    return Step(
        number=number,
        title=f"Ping {target} by name from {machine}",
        why="Docker's DNS server, at 127.0.0.11 in every container, knows services by their names.",
        machines=[machine],
        book=f"docker exec -it <{service} task> /bin/sh\nping {target}",
        state="passed",
        started=clock.take(3.4),
        seconds=3.4,
        commands=[_command(machine, line, ping_output(target, vip, rtts))],
        expectations=[
            _saw(
                f"{target} resolves to an address of the network",
                vip,
                machine,
                source="ping",
                proves="The name resolves. It does not show that anything left this host.",
            ),
            _saw("replies to 3 pings", 3, machine, source="ping"),
        ],
        pings=[_ping(machine, service, (target, vip), "name", rtts)],
    )


def _large(machine: str, address: str, service: str) -> list[Expectation]:
    """What is judged beside small packets: full-size ones, and TCP by address and by name."""
    digest = f"sha256:{'5e' * 32}"
    return [
        _saw(
            f"a ping of {address} with packets of 1450 bytes, which must not be fragmented, is "
            "answered",
            "3 replies",
            machine,
            source="ping",
            layer="large packet",
        ),
        _saw(
            f"256 KiB sent by TCP to {address} arrive unchanged",
            digest,
            machine,
            source="command",
            layer="TCP",
        ),
        _saw(
            f"256 KiB sent by TCP to {service} arrive unchanged",
            digest,
            machine,
            source="command",
            layer="virtual address",
        ),
    ]


def _address_ping(machine: str, service: str, target: str, clock: _Clock) -> Step:
    there = "machine2" if machine == "machine1" else "machine1"
    rtts = FIRST_RTTS if machine == "machine2" else [2.11, 1.17, 0.964]
    address = ADDRESS[target]
    return Step(
        number="evidence",
        title=f"Ping the address of {target}'s task from {machine}",
        why=f"This address belongs to the task on {there} alone; an answer has to cross hosts.",
        machines=[machine, there],
        state="passed",
        started=clock.take(4.1),
        seconds=4.1,
        commands=[
            _command(
                machine,
                f"docker exec {CONTAINER[service]} ping -c 3 {address}",
                ping_output(address, address, rtts),
            )
        ],
        expectations=[
            _saw(
                f"replies to 3 pings of {address}",
                3,
                machine,
                source="ping",
                proves="The task on the other host answered.",
            ),
            _saw(
                "VXLAN packets with VNI 4097 carrying these pings on the underlay",
                True,
                there,
                source="capture",
                proves="The pings crossed the wire inside this network.",
            ),
            *_large(machine, address, target),
        ],
        pings=[
            _ping(machine, service, (address, address), "task-address", rtts),
            _ping(machine, service, (address, address), "full-size", [1.9, 1.31, 1.22]).model_copy(
                update={"size": 1450}
            ),
        ],
        captures=[_capture(name, machine) for name in UNDERLAY],
    )


def _before(clock: _Clock) -> list[Step]:
    both = ["machine1", "machine2"]
    return [
        Step(
            number="1",
            title="Make machine1 the first manager of a swarm",
            why="A swarm is what overlay networks of services live in.",
            machines=["machine1"],
            book="docker swarm init",
            state="passed",
            started=clock.take(0.6),
            seconds=0.6,
            commands=[
                _command("machine1", "docker info --format '{{.Swarm.ControlAvailable}}'", "true\n")
            ],
            expectations=[_saw("machine1 is a manager", True)],
        ),
        Step(
            number="2",
            title="Join machine2 as a worker",
            why="The join token is passed through the Engine API and is in no report.",
            machines=["machine2"],
            book="docker swarm join",
            state="passed",
            started=clock.take(0.5),
            seconds=0.5,
            commands=[
                _command("machine2", "docker info --format '{{.Swarm.LocalNodeState}}'", "active\n")
            ],
            expectations=[
                _saw("machine2 is in the swarm", "active", "machine2"),
                _saw("machine2 is a worker", "worker"),
            ],
        ),
        Step(
            number="3",
            title="List the nodes",
            why="Both nodes have to be Ready before a service can be spread over them.",
            machines=["machine1"],
            book="docker node ls",
            state="passed",
            started=clock.take(0.4),
            seconds=0.4,
            commands=[_command("machine1", "docker node ls", _NODES)],
            expectations=[
                _saw("nodes that are Ready", ["machine1", "machine2"]),
                _saw("the leader", "machine1"),
            ],
            documents=[Document(title="Nodes", machine="machine1", file="raw/03-nodes.json")],
        ),
        Step(
            number="4",
            title="See the two networks that the swarm brought",
            why="ingress carries published ports; docker_gwbridge leads out of each host.",
            machines=both,
            book="docker network ls",
            state="passed",
            started=clock.take(0.9),
            seconds=0.9,
            commands=[
                _command(name, "docker network ls", _networks(overlay=False)) for name in both
            ],
            expectations=[
                _saw(f"{network} is there", kind, name)
                for name in both
                for network, kind in (
                    ("docker_gwbridge", "bridge, local"),
                    ("ingress", "overlay, swarm"),
                )
            ],
        ),
        Step(
            number="5",
            title="Create the overlay network",
            why="One subnet for tasks on every node, whatever host they run on.",
            machines=["machine1"],
            book="docker network create -d overlay --subnet 172.45.0.0/16 … overlaynet1",
            state="passed",
            started=clock.take(0.7),
            seconds=0.7,
            commands=[
                _command(
                    "machine1",
                    "docker network create -d overlay --subnet 172.45.0.0/16 "
                    "--gateway 172.45.0.1 overlaynet1",
                    f"{NETWORK_ID}\n",
                )
            ],
            expectations=[_saw("the network's subnet", "172.45.0.0/16")],
            documents=[
                Document(
                    title="docker network inspect overlaynet1",
                    machine="machine1",
                    file="raw/05-overlaynet1.json",
                )
            ],
        ),
        Step(
            number="6",
            title="See overlaynet1 on the manager",
            why="A manager knows a new network at once; a worker when a task needs it.",
            machines=["machine1"],
            book="docker network ls",
            state="passed",
            started=clock.take(0.4),
            seconds=0.4,
            commands=[_command("machine1", "docker network ls", _networks(overlay=True))],
            expectations=[_saw("overlaynet1 is there", "overlay, swarm")],
        ),
    ]


def _services(clock: _Clock) -> list[Step]:
    return [
        Step(
            number=number,
            title=f"Create the service {service}",
            why="Its one task is bound to a node, so that it goes the same way each time.",
            machines=["machine1"],
            book=(
                "docker service create -t --replicas 1 --network overlaynet1 "
                f"--name {service} alpine:latest"
            ),
            state="passed",
            started=clock.take(seconds),
            seconds=seconds,
            commands=[_command("machine1", _service_line(service, machine), _converged(service))],
            expectations=[
                _saw("tasks that run", "1 of 1"),
                _saw("the node of its task", machine),
            ],
        )
        for number, service, machine, seconds in (
            ("7", "alpine-overlay1", "machine1", 9.8),
            ("8", "alpine-overlay2", "machine2", 12.6),
        )
    ]


def _ps_step(number: str, machine: str, service: str, clock: _Clock) -> Step:
    return Step(
        number=number,
        title=f"See the task on {machine}",
        why="",
        machines=[machine],
        book="docker ps",
        state="passed",
        started=clock.take(0.4),
        seconds=0.4,
        commands=[_command(machine, "docker ps", _ps(service))],
        expectations=[_saw("the service of the task that runs here", service, machine)],
    )


def _inspect_step(number: str, machine: str, service: str, clock: _Clock) -> Step:
    address = ADDRESS[service]
    settings = "\n".join(
        [
            "[",
            "    {",
            f'        "Name": "/{CONTAINER[service]}",',
            '        "NetworkSettings": {',
            '            "Networks": {',
            '                "overlaynet1": {',
            f'                    "IPAMConfig": {{ "IPv4Address": "{address}" }},',
            f'                    "NetworkID": "{NETWORK_ID}",',
            f'                    "IPAddress": "{address}",',
            '                    "IPPrefixLen": 16',
            "                }",
            "            }",
            "        }",
            "    }",
            "]",
            "",
        ]
    )
    return Step(
        number=number,
        title=f"Inspect the task on {machine}",
        why="Its address comes from the subnet of step 5, on either host.",
        machines=[machine],
        book="docker inspect <task>",
        state="passed",
        started=clock.take(0.4),
        seconds=0.4,
        commands=[_command(machine, f"docker inspect {CONTAINER[service]}", settings)],
        expectations=[_saw("an address in 172.45.0.0/16", address, machine)],
        documents=[
            Document(
                title=f"docker inspect {service}",
                machine=machine,
                file=f"raw/{number}-{service}.json",
            )
        ],
    )


def _cleaning(clock: _Clock) -> list[Step]:
    both = ["machine1", "machine2"]
    return [
        Step(
            number="16",
            title="Remove both services",
            why="",
            machines=both,
            book="docker service rm alpine-overlay1\ndocker service rm alpine-overlay2\ndocker ps",
            state="passed",
            started=clock.take(11.2),
            seconds=11.2,
            commands=[
                _command("machine1", f"docker service rm {service}", f"{service}\n")
                for service in ADDRESS
            ]
            + [_command(name, "docker ps", _ps()) for name in both],
            expectations=[
                _saw("containers of the services", [], name, expected=[]) for name in both
            ],
        ),
        Step(
            number="17",
            title="Remove the network",
            why="",
            machines=both,
            book="docker network rm overlaynet1",
            state="passed",
            started=clock.take(1.3),
            seconds=1.3,
            commands=[_command("machine1", "docker network rm overlaynet1", "overlaynet1\n")],
            expectations=[_saw("overlaynet1 is gone", True, name) for name in both],
        ),
    ]


def sample() -> Record:
    """All 17 steps passed, the evidence beside them."""
    clock = _Clock()
    steps = [
        *_before(clock),
        *_services(clock),
        _ps_step("9", "machine1", "alpine-overlay1", clock),
        _inspect_step("10", "machine1", "alpine-overlay1", clock),
        Step(
            number="11",
            title="See overlaynet1 on the worker",
            why="It came with the first task that needed it, under the same id.",
            machines=["machine2"],
            book="docker network ls",
            state="passed",
            started=clock.take(0.4),
            seconds=0.4,
            commands=[_command("machine2", "docker network ls", _networks(overlay=True))],
            expectations=[_saw("overlaynet1 has the manager's id", NETWORK_ID, "machine2")],
        ),
        _ps_step("12", "machine2", "alpine-overlay2", clock),
        _inspect_step("13", "machine2", "alpine-overlay2", clock),
        _name_ping("14", "machine2", "alpine-overlay2", "alpine-overlay1", clock),
        _name_ping("15", "machine1", "alpine-overlay1", "alpine-overlay2", clock),
        _address_ping("machine2", "alpine-overlay2", "alpine-overlay1", clock),
        _address_ping("machine1", "alpine-overlay1", "alpine-overlay2", clock),
        *_cleaning(clock),
    ]
    return Record(
        scenario="overlay",
        exercise="6.04",
        title="Overlay networks between two hosts",
        summary=(
            "Two services on one overlay network, a task on each of two machines: "
            "they find each other by name and reach each other across the hosts."
        ),
        lab="book",
        provider="libvirt (QEMU, emulated)",
        image=IMAGE,
        notes=[
            "No registry can be reached from here, so the image is the busybox that the built box "
            f"carries ({IMAGE}), not alpine:latest.",
            "Each task is bound to a node, where the book leaves it to chance.",
        ],
        versions={
            "Vagrant": "2.3.4",
            "vagrant-libvirt": "0.11.2",
            "libvirt": "9.0.0",
            "QEMU": "7.2.17",
            "Python": "3.11.2",
        },
        started=BEGIN.isoformat().replace("+00:00", "Z"),
        seconds=round(clock.at, 2),
        verdict="passed",
        topology=_topology(),
        steps=steps,
    )


def underlay_blocked() -> Record:
    """UDP 4789 is dropped between the hosts: names still ping, task addresses do not."""
    record = sample().model_copy(deep=True)
    for step in record.steps:
        if step.number != "evidence":
            continue
        step.state = "failed"
        pings, command = step.pings[0], step.commands[0]
        # Where small packets do not cross, no larger ones are tried.
        step.pings = [pings.model_copy(update={"received": 0, "rtts_ms": []})]
        step.expectations = [one for one in step.expectations if not one.layer]
        step.captures = [
            capture.model_copy(update={"total": 0, "packets": []}) for capture in step.captures
        ]
        step.commands[0] = command.model_copy(
            update={"exit_code": 1, "stdout": ping_output(pings.target, pings.address, [])}
        )
        for at, expectation in enumerate(step.expectations):
            seen = False if expectation.expected is True else 0
            step.expectations[at] = expectation.model_copy(update={"seen": seen, "passed": False})
    record.verdict = "failed"
    return record


def no_ipvs() -> Record:
    """The kernel of both hosts has no IPVS: what goes to virtual addresses is skipped."""
    record = sample().model_copy(deep=True)
    for step in record.steps:
        for one in step.expectations:
            if one.layer == "virtual address":
                one.passed, one.seen = None, "not tried"
                one.skipped = f"the kernel of {one.machine} has no IPVS"
    return record


def cannot_run() -> Record:
    """A scenario that was skipped: the lab lacks what it needs."""
    record = sample()
    record.verdict, record.steps = "skipped", []
    record.topology.networks, record.topology.tasks = [], []
    record.missing = ["the kernel of machine1 has no IPVS (RTNETLINK answers: No such file)"]
    return record


def image_missing() -> Record:
    """The first service cannot start; what builds on it is skipped, cleaning up is not."""
    record = sample().model_copy(deep=True)
    record.topology.tasks = []
    for step in record.steps:
        if step.number == "7":
            step.state = "error"
            step.reason = (
                "alpine-overlay1.1 on machine1: No such image: alpine:latest\n"
                "(rejected 3 times within 10 s)"
            )
            step.expectations = [
                step.expectations[0].model_copy(update={"seen": "0 of 1", "passed": False})
            ]
            step.commands = [
                step.commands[0].model_copy(
                    update={
                        "exit_code": None,
                        "stdout": "overall progress: 0 out of 1 tasks\r\n"
                        "1/1: No such image: alpine:latest\r\n",
                        "stderr": "image alpine:latest could not be accessed on a registry to "
                        "record\nits digest. Each node will access alpine:latest independently.\n",
                    }
                )
            ]
        elif step.number in {"8", "9", "10", "11", "12", "13", "14", "15", "evidence"}:
            step.state = "skipped"
            step.reason = "step 7 did not leave a running task"
            step.started, step.seconds = "", 0.0
            step.commands, step.expectations, step.documents = [], [], []
            step.pings, step.captures = [], []
    record.verdict = "error"
    return record


def weave() -> Record:
    """The same two hosts under another driver with its own encapsulation, for a comparison."""
    record = sample().model_copy(deep=True)
    record.scenario, record.exercise = "weave", "6.05"
    record.title = "The Weave Net network driver"
    record.summary = "Two services on a network of the Weave Net plugin, a task on each machine."
    used = record.topology.networks[0]
    used.name, used.driver, used.vni = "weavenet1", "weaveworks/net-plugin:2.8.1", None
    used.subnet, used.gateway = "10.1.1.0/24", "10.1.1.1"
    address = {"172.45.0.3/16": "10.1.1.2", "172.45.0.6/16": "10.1.1.3"}
    for task in record.topology.tasks:
        task.network, task.address = "weavenet1", address[task.address]
    record.steps = [step for step in record.steps if step.number == "evidence"]
    for step in record.steps:
        for ping in step.pings:
            ping.address = ping.target = address[f"{ping.address}/16"]
            ping.rtts_ms = [round(rtt * 1.6, 3) for rtt in ping.rtts_ms]
        # Its services have no virtual address.
        step.expectations = [one for one in step.expectations if one.layer != "virtual address"]
        for one in step.expectations:
            for was, there in address.items():
                one.what = one.what.replace(was.partition("/")[0], there)
        for capture in step.captures:
            capture.filter = "udp port 6783"
            for packet in capture.packets:
                packet.encapsulation, packet.vni, packet.outer_port = "Weave sleeve", None, 6783
                packet.inner = packet.inner.replace("172.45.0.3", "10.1.1.2").replace(
                    "172.45.0.6", "10.1.1.3"
                )
    return record


def many_hosts(count: int) -> Record:
    """`count` hosts, up to three of them managers, some with several tasks."""
    record = sample().model_copy(deep=True)
    first = record.topology.hosts[0]
    record.topology.hosts = [
        first.model_copy(
            update={
                "name": f"machine{number}",
                "role": "manager" if number <= 3 else "worker",
                "address": f"192.168.56.{10 + number}",
            }
        )
        for number in range(1, count + 1)
    ]
    record.topology.tasks += [
        Task(
            service=f"extra-service{number % 3}",
            container=f"extra-service{number % 3}.{number}.x",
            machine=f"machine{1 + number % count}",
            network="overlaynet1",
            address=f"172.45.0.{20 + number}/16",
        )
        for number in range(2 * count)
    ]
    return record


HOSTILE = (
    "</script><script>alert(1)</script>| `a` ```` **b** [x](javascript:1) <img src=x>"
    "\\| &lt; \x1b[31m\x00\n# z"
)


def hostile() -> Record:
    """Every text that comes from outside holds HTML, Markdown and control characters."""
    record = sample().model_copy(deep=True)
    record.title = record.summary = record.lab = record.image = record.provider = HOSTILE
    record.notes = [HOSTILE, "# not a heading"]
    record.versions = {HOSTILE: HOSTILE}
    record.topology.tasks[0].service = HOSTILE
    record.topology.hosts[0].system = HOSTILE
    step = record.steps[3]
    step.state, step.title, step.why, step.reason = "failed", HOSTILE, HOSTILE, HOSTILE
    step.commands = [_command("machine1", f"echo {HOSTILE}", f"{HOSTILE}\n```\n# x\n", 1, HOSTILE)]
    step.book = f"echo {HOSTILE}"
    step.expectations = [
        _saw(HOSTILE, {"a": HOSTILE}, expected=HOSTILE, proves=HOSTILE, source=HOSTILE)
    ]
    step.documents = [
        Document(title=HOSTILE, machine="machine1", file="javascript:alert(1)"),
        Document(title="outside", machine="machine1", file="../../etc/passwd"),
    ]
    record.steps[-3].captures[0].packets[0].inner = HOSTILE
    record.timelines = [
        TimeLine(
            step=step.number,
            started=HOSTILE,
            seconds=9,
            pause=0.5,
            limit=5,
            lanes=[
                Lane(
                    kind=kind,
                    subject=HOSTILE,
                    machine=HOSTILE,
                    about=HOSTILE,
                    spans=[
                        Span(state=HOSTILE, detail=HOSTILE, after=None, by=1, last=4),
                        Span(state="lost", detail=HOSTILE, after=4, by=5, last=8),
                    ],
                )
                for kind in get_args(LaneKind)
            ],
            notes=[HOSTILE],
        )
    ]
    record.verdict = "failed"
    return record


def _lane(
    kind: LaneKind, subject: str, *states: tuple[str, float | None, float, int], **about: str
) -> Lane:
    """A lane of (state, after, by, looks)."""
    afters = [after for _, after, _, _ in states[1:]]
    lasts = [float(after) for after in afters if after is not None] + [70.0]
    spans = [
        Span(state=state, after=after, by=by, last=last, looks=looks)
        for (state, after, by, looks), last in zip(states, lasts, strict=True)
    ]
    return Lane(kind=kind, subject=subject, spans=spans, **about)


def node_failure(later: float = 0.0, scenario: str = "node-failure") -> Record:
    """A run in which a node's daemon was killed; its task moved `later` seconds later."""
    at = later
    moved = 18.6 + at
    running: tuple[str, float | None, float, int] = ("running", None, 0.3, 34)
    lanes = [
        _lane("leader", "swarm", ("machine1", None, 0.2, 140)),
        _lane("manager", "machine1", ("leads", None, 0.2, 140)),
        _lane("node", "machine1", ("ready", None, 0.2, 140)),
        _lane(
            "node",
            "machine2",
            ("ready", None, 0.2, 34),
            ("down", 17.1 + at, 17.7 + at, 60),
            ("ready", 52.0 + at, 52.6 + at, 30),
        ),
        _lane(
            "engine",
            "machine2",
            ("answers", None, 0.2, 5),
            ("does not answer", 2.6, 3.3, 96),
            ("answers", 50.9, 51.5, 30),
        ),
        _lane(
            "task",
            "web.1",
            running,
            ("to be shut down", 17.1 + at, 17.8 + at, 60),
            ("shutdown", 53.0, 53.6, 30),
            id="a1b2c3d4e5f6",
            machine="machine2",
        ),
        _lane(
            "task",
            "web.1",
            ("preparing", 17.1 + at, 17.8 + at, 1),
            ("starting", 17.6 + at, 18.3 + at, 1),
            ("running", 18.1 + at, moved, 90),
            id="f6e5d4c3b2a1",
            machine="machine1",
        ),
        _lane(
            "ping",
            "machine1 to machine2",
            ("answered", None, 0.3, 140),
            machine="machine1",
            about="192.168.56.12",
        ),
        _lane(
            "ping",
            "task1 to address2",
            ("answered", None, 0.3, 20),
            ("lost", 10.2, 12.9, 14 + int(at)),
            ("answered", moved, moved + 2.4, 50),
            machine="machine1",
            about="10.0.1.6",
        ),
        _lane(
            "fault",
            "kill-daemon",
            ("made", 2.1, 2.8, 2),
            ("healed", 48.3, 51.2, 1),
            id="1",
            about="Docker's daemon on machine2 is killed",
        ),
    ]
    lanes[3].spans[1].detail = "heartbeat failure"
    record = sample().model_copy(deep=True)
    record.scenario, record.title = scenario, "A node fails"
    record.timelines = [
        TimeLine(
            step="13",
            started=BEGIN.isoformat(),
            seconds=70.6,
            pause=0.5,
            limit=5,
            lanes=lanes,
            notes=["ping task1 to address2: machine1: no SSH at ops@10.77.0.2: timed out"],
        )
    ]
    return record
