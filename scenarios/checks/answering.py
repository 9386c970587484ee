"""Services whose tasks answer a TCP connection, and who answered.

A task answers with its hostname, which is the beginning of its container's id.
"""

from __future__ import annotations

import re
import shlex

from scenarios.checks.path import End
from scenarios.kit.step import Step, StepFailed
from scenarios.record import model

PORT = 7700
# One nc for each connection: not every busybox has one that stays.
ANSWERS = f"sh -c 'while :; do nc -l -p {PORT} -e hostname; done'"
# The same, and the kernel's list of connections: in it is who asks.
_WHO = f'nc -l -p {PORT} -e sh -c "hostname; cat /proc/net/tcp*"'
ANSWERS_WHO = f"sh -c 'while :; do {_WHO}; done'"
NOBODY = "no answer"
_PATIENCE = 5  # seconds
# Established, and closed on the client's side alone. Others are of earlier connections.
_LIVE = {"01", "08"}
# sl, local_address, rem_address, st. Source: Linux, Documentation/networking/proc_net_tcp.rst.
_CONNECTION = re.compile(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):[0-9A-F]{4} (\w\w)", re.M)


def ask(step: Step, here: End, target: str, port: int = PORT, times: int = 1) -> list[str]:
    """Connect from a container, one time after the other; what was answered each time.

    The second try of each is for the moment in which a task does not listen. Raises StepFailed
    where not so many were tried: that nobody answers is said of who was asked.
    """
    once = f"nc -w {_PATIENCE} {shlex.quote(target)} {port} </dev/null 2>/dev/null"
    script = (
        f"for i in $(seq {times}); do echo @; {once} || {{ sleep 1; {once}; }} || "
        f"echo {NOBODY}; done"
    )
    command = f"docker exec {shlex.quote(here.task)} sh -c {shlex.quote(script)}"
    result = step.run(command, on=here.machine, must=False)
    answers = [one.strip() or NOBODY for one in result.stdout.split("@\n")[1:]]
    if len(answers) != times:
        raise StepFailed(
            f"{here.machine.name}: {here.task} tried {len(answers)} of {times} connections to "
            f"{target}: {result.last_words}"
        )
    return answers


def client_of(answer: str, port: int = PORT) -> str:
    """The address that the answering task saw the connection come from; "" where it is not said."""
    for local, remote, state in _CONNECTION.findall(answer):
        if int(local, 16) == port and state in _LIVE:
            # Each four bytes in the order of the processor: an IPv4 address is in the last ones.
            last = bytes.fromhex(remote[-8:])[::-1]
            return ".".join(map(str, last))
    return ""


def hostnames(step: Step, service: str) -> list[str]:
    """The hostnames of a service's running tasks, sorted."""
    tasks = step.running_tasks(service)
    return sorted(str(t["Status"]["ContainerStatus"]["ContainerID"])[:12] for t in tasks)


def addresses(step: Step, service: str, network: str) -> list[str]:
    """The addresses of a service's running tasks in a network, sorted."""
    return sorted(
        address.split("/")[0]
        for task in step.running_tasks(service)
        for attached in task.get("NetworksAttachments") or []
        if attached["Network"]["Spec"]["Name"] == step.called(network)
        for address in attached.get("Addresses") or []
    )


def note_tasks(step: Step, service: str) -> None:
    """Note the service's running tasks in the topology, each in each of its networks."""
    machines = {m.docker.info()["Swarm"]["NodeID"]: m.name for m in step.context.machines.values()}
    for task in step.running_tasks(service):
        container = f"{step.called(service)}.{task.get('Slot', '')}.{task['ID']}"
        for attached in task.get("NetworksAttachments") or []:
            address = (attached.get("Addresses") or [""])[0]
            step.context.topology.tasks.append(
                model.Task(
                    service=service,
                    container=container,
                    machine=machines.get(task["NodeID"], task["NodeID"]),
                    network=attached["Network"]["Spec"]["Name"],
                    address=address.split("/")[0],
                )
            )


def expect_tasks(step: Step, service: str, count: int) -> None:
    """So many tasks of the service run, two or more. They are noted in the topology."""
    note_tasks(step, service)
    step.expect(
        f"{service} has {count} running tasks",
        expected=count,
        seen=len(step.running_tasks(service)),
        layer="task start",
    )


def expect_answers(step: Step, here: End, target: str, expected: list[str], times: int) -> None:
    """Connections to a name or an address are answered by just these tasks."""
    answers = ask(step, here, target, times=times)
    step.expect(
        f"of {times} connections to {target} all are answered, by these tasks and no other",
        expected=expected,
        seen=sorted(set(answers)),
        source="command",
        machine=here.machine,
        layer="virtual address",
    )
