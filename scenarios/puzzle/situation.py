"""What a puzzle breaks: a shop on one machine that asks for its stock on another, by the overlay.

The shop publishes two ports of its machine: a short answer, and a catalogue of some hundred
kilobytes. Both hold what the stock says. It is judged as its customers see it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provision.changes.journal import Journal
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.wait import wait_until
from scenarios.kit import runner
from scenarios.kit.created import Created
from scenarios.kit.scenario import Scenario

SHOP, STOCK = "puzzle-shop", "puzzle-stock"
NETWORK, OFFICE, LOCAL = "puzzle-net", "puzzle-office", "puzzle-local"
SHORT_PORT, LONG_PORT = 8480, 8481
LINES = 8000  # of the catalogue

SITUATION = Scenario(
    "puzzle",
    exercise="-",
    title="A shop and its stock",
    summary="A service on one machine asks another one, on the second machine.",
    services=(SHOP, STOCK),
    networks=(NETWORK, OFFICE, LOCAL),
)

_OPEN = "puzzle-shop is open"
_STOCK = "puzzle-stock has 42 pieces"
_LINE = "puzzle-stock: one more piece"

# Reads a request up to its empty line, as of HTTP.
_HEAR = "while read -r line && [ ${#line} -gt 1 ]; do :; done"
_OK = r"printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n'"
# One connection after the other; none stands in the way for longer than its time.
_SERVE = (
    'serve() { while :; do timeout 15 nc -l -p "$1" -e sh -c "$2"; done; }; '
    'serve 80 "$SHORT" & serve 81 "$LONG"'
)


def _asks(port: int) -> str:
    return f"echo | timeout 10 nc -w 5 {STOCK} {port}"


_SERVICES = {
    STOCK: (f"read -r line; echo '{_STOCK}'", f"read -r line; yes '{_LINE}' | head -n {LINES}"),
    SHOP: (
        f"{_HEAR}; {_OK}; echo '{_OPEN}'; {_asks(80)}",
        f"{_HEAR}; {_OK}; {_asks(81)}",
    ),
}


def commands(names: Mapping[str, str]) -> list[str]:
    """What creates it, typed on a manager. `names` has the image, and both nodes' ids."""
    made = [
        f"docker network create -d overlay {NETWORK}",
        # Others are there too, as anywhere: which one matters is to be found.
        f"docker network create -d overlay {OFFICE}",
        f"docker network create -d bridge --scope swarm {LOCAL}",
    ]
    ports = "".join(
        f" --publish mode=host,published={published},target={target}"
        for published, target in ((SHORT_PORT, 80), (LONG_PORT, 81))
    )
    for service, node, more in ((STOCK, "node2", ""), (SHOP, "node1", ports)):
        short, long = (shlex.quote(text) for text in _SERVICES[service])
        made.append(
            f"docker service create -d --name {service} --network {NETWORK} --endpoint-mode dnsrr"
            f"{more} --constraint node.id=={names[node]} --stop-grace-period 1s "
            f"--restart-delay 1s --env SHORT={short} --env LONG={long} --no-resolve-image "
            f"{names['image']} sh -c {shlex.quote(_SERVE)}"
        )
    return made


def build(machines: Sequence[Machine], names: Mapping[str, str], done: Journal) -> None:
    """Create it, and remove before what a puzzle that was killed has left.

    Raises MachineError where an engine refuses.
    """
    manager = machines[0]
    remove(machines, done)
    created = None
    entry = runner.write_down(SITUATION, manager, done)
    if done.existing:
        created = Created(done, entry)
    for command in commands(names):
        if created:
            created.begins(manager, command)
        result = manager.run(command, 180)
        if created:
            created.ended(command, result)
        if not result.ok:
            what = " ".join(command.split()[:4])
            raise MachineError(f"{manager.name}: {what}: {result.last_words}")


def remove(machines: Sequence[Machine], done: Journal) -> None:
    """Remove all of it. Raises MachineError that names what is left."""
    if left := runner.remove(SITUATION, list(machines), done, None):
        raise MachineError(
            f"Not gone: {', '.join(left)}.",
            "Remove by hand what you have created yourself, and then run: inv puzzle.stop",
        )


# -- as it is seen ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What customers and the swarm's owner see. `tasks` is such as {"puzzle-shop": "1/1"}, and
    empty where no manager answers; `down` counts nodes that are not Ready; `url` is where the shop
    is to be."""

    url: str
    tasks: Mapping[str, str] = field(default_factory=dict)
    opens: bool = False
    stocked: bool = False
    lines: int = 0
    down: int = 0

    @property
    def works(self) -> bool:
        return not self.complaints()

    def complaints(self) -> list[str]:
        """What is wrong, as somebody says it who does not know why."""
        said = []
        if not self.opens:
            said.append(f"The shop does not answer: {self.url}")
        elif not self.stocked:
            said.append(f"The shop answers, and does not know what is in stock: {self.url}")
        elif self.lines != LINES:
            catalogue = self.url.replace(str(SHORT_PORT), str(LONG_PORT))
            said.append(
                f"The shop knows what is in stock, and its catalogue does not arrive: {catalogue}"
            )
        if not self.tasks:
            said.append("The swarm's manager does not answer to `docker service ls`.")
        for service in SITUATION.services:
            if self.tasks and self.tasks.get(service) != "1/1":
                count = self.tasks.get(service, "no")
                said.append(f"`docker service ls` shows {count} tasks of {service}.")
        if self.down:
            many = "a node that is" if self.down == 1 else f"{self.down} nodes that are"
            said.append(f"`docker node ls` shows {many} not Ready.")
        return said


_LIST = (
    "timeout 30 docker service ls --format '{{.Name}} {{.Replicas}}' && "
    "timeout 30 docker node ls --format 'node is {{.Status}}'"
)
# The last word of the second line counts the catalogue's lines.
_ASK = f"""
ask() {{
  timeout 20 bash -c 'exec 3<>"/dev/tcp/$0/$1"; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3' \\
    "$1" "$2" 2>/dev/null
}}
{{ ask "$AT" {LONG_PORT} | grep -cxF '{_LINE}' | sed 's/^/lines /'; }} &
ask "$AT" {SHORT_PORT}
wait
true
"""


def look(machines: Sequence[Machine]) -> Seen:
    """How the shop is now. `machines` has the shop's first, which is a manager.

    Raises MachineError where that machine cannot be reached.
    """
    first = machines[0]
    url = f"http://{first.address}:{SHORT_PORT}"
    said = first.run(f"AT={shlex.quote(first.address)}\n{_ASK}", 90).stdout
    listed = first.run(_LIST, 90, sudo=True)
    rows = [line.split() for line in listed.stdout.splitlines()] if listed.ok else []
    counted = re.search(r"^lines (\d+)$", said, re.MULTILINE)
    return Seen(
        url=url,
        tasks={row[0]: row[1] for row in rows if len(row) == 2},
        down=sum(len(row) == 3 and row[2] != "Ready" for row in rows),
        opens=_OPEN in said,
        stocked=_STOCK in said,
        lines=int(counted[1]) if counted else 0,
    )


def look_until(machines: Sequence[Machine], works: bool, patience: float) -> Seen:
    """How the shop is, as soon as it works (or does not), or after `patience` seconds."""
    return wait_until(lambda: look(machines), lambda seen: seen.works == works, patience, pause=1)
