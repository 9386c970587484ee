"""Replaces what differs between any two runs, so that only real differences are left.

Ids, times and ages, round trips, process numbers, and addresses that Docker assigns become words
such as <id>; what lab.toml or the scenario decides stays: machines' addresses, subnets, names,
states, versions, image digests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from provision.support.text import readable
from scenarios.record.model import Record

# An id of Docker's own is 64 hexadecimal digits or the first 12; one of the swarm's is 25 letters
# and digits (moby/swarmkit, identity). An image's digest names its content and stays.
_ID = re.compile(r"(?<!sha256:)\b(?:[0-9a-f]{64}|[0-9a-f]{12}|[a-z0-9]{25})\b")
_TIME = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|\b ?[+-]\d\d:?\d\d)?(?: UTC)?"
)
_AGE = re.compile(
    r"\b(?:Less than a second|(?:About )?(?:an?|\d+) (?:second|minute|hour|day|week|month)s?)\b"
    r"(?: ago)?"
)
_MILLISECONDS = re.compile(r"\b\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?)* ?ms\b")
_MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?![\d.])")
_LINK_LOCAL = re.compile(r"\bfe80:[0-9a-f:]+(?:/\d+)?", re.IGNORECASE)
_CAPTURED = re.compile(r"\b[1-9]\d* of \d+ captured\b")
# How long something took, as a range, and how many packets of some were lost at random.
_RANGE = re.compile(r"\b(?:\d+ to \d+ s|more than \d+ s)\b")
_LOST = re.compile(r"\b[1-9]\d* of \d+ lost\b")
# States on the way; which of them are printed depends on how long each takes.
_ON_THE_WAY = re.compile(r"^\s*(?:overall progress:|\d+/\d+:|verify: (?!Service))")
_TABLE = re.compile(r"^(?:[A-Z]+ )?ID\s{2,}[A-Z]")
_NUMBERS = {"Pid", "ExecIDs"}
# Where an engine keeps a container's layers, and in which order it made them.
_PATHS = {"GraphDriver", "Storage"}


class Normalizer:
    """Makes texts of one record comparable with those of another run of the same scenario."""

    def __init__(self, record: Record) -> None:
        self._fixed = {host.address.split("/")[0] for host in record.topology.hosts}
        self._subnets = {
            network.subnet: IPv4Network(network.subnet)
            for network in record.topology.networks
            if _is_subnet(network.subnet)
        }
        self._vnis = {
            network.vni: network.name
            for network in record.topology.networks
            if network.vni is not None
        }

    def text(self, text: str, number: Callable[[str, str], str] | None = None) -> str:
        """A text with words in place of ids, times and the like.

        `number(kind, value)` gives the word for a value, so that equal ids can get the same word.
        """
        word = number or (lambda kind, _: f"<{kind}>")
        text = _TIME.sub("<time>", readable(text))
        text = _MAC.sub("<mac>", text)
        text = _LINK_LOCAL.sub("<address>", text)
        text = _ID.sub(lambda found: word("id", found[0]), text)
        text = _AGE.sub("<age>", text)
        text = _MILLISECONDS.sub("<ms>", text)
        text = _CAPTURED.sub("some captured", text)
        text = _LOST.sub("some lost", _RANGE.sub("<seconds>", text))
        text = re.sub(r"\bVNI (\d+)\b", lambda found: f"VNI {self.vni(int(found[1]))}", text)
        return _IPV4.sub(lambda found: self._address(found[0], word), text)

    def vni(self, vni: int | None) -> str:
        """A VNI as the network it belongs to; one of no network of the record stays a number."""
        return f"<of {self._vnis[vni]}>" if vni in self._vnis else str(vni)

    def value(self, anything: Any, number: Callable[[str, str], str] | None = None) -> str:
        """An expected or seen value."""
        if isinstance(anything, str):
            return self.text(anything, number)
        return self.text(json.dumps(anything, sort_keys=True, ensure_ascii=False), number)

    def output(self, text: str) -> list[str]:
        """A command's output as comparable lines.

        JSON becomes one value in each line; the rows of a table of Docker's are sorted, since
        their order is that of their ids.
        """
        with_json = self._json(text)
        if with_json is not None:
            return with_json
        lines = [line.rstrip() for line in readable(text).splitlines()]
        lines = [line for line in lines if line and not _ON_THE_WAY.match(line)]
        if lines and _TABLE.match(lines[0]):
            rows = [re.sub(r"^\S+", "<id>", line) for line in lines[1:]]
            return [self._columns(lines[0]), *sorted(self._columns(row) for row in rows)]
        return [self._columns(line) for line in lines]

    def _columns(self, line: str) -> str:
        # The width of a column depends on what else stands in it.
        return re.sub(r"\s{2,}", "  ", self.text(line)).rstrip()

    def _json(self, text: str) -> list[str] | None:
        if not text.lstrip().startswith(("[", "{")):
            return None
        try:
            data = json.loads(text)
        except ValueError:
            return None
        return sorted(self._leaves("", data))

    def _leaves(self, path: str, data: Any) -> list[str]:
        if isinstance(data, dict):
            return [
                line
                for key, value in data.items()
                if key not in _PATHS
                for line in self._leaves(
                    f"{path}.{self.text(key)}", "<number>" if key in _NUMBERS else value
                )
            ]
        if isinstance(data, list):
            return [line for value in data for line in self._leaves(f"{path}[]", value)]
        return [f"{path} = {self.value(data)}"]

    def _address(self, text: str, word: Callable[[str, str], str]) -> str:
        try:
            interface = IPv4Interface(text)
        except ValueError:
            return text
        bare = str(interface.ip)
        a_network = "/" in text and interface.ip == interface.network.network_address
        if (
            bare in self._fixed
            or a_network
            or interface.ip.is_loopback
            or interface.ip.is_unspecified
        ):
            return text
        for name, subnet in self._subnets.items():
            if interface.ip in subnet:
                return word(f"address of {name}", bare)
        return word("address", bare)


def _is_subnet(text: str) -> bool:
    try:
        IPv4Network(text)
    except ValueError:
        return False
    return True
