"""Broken worlds of two hosts that lose each other, over the swarm's driver and over a plugin's."""

from __future__ import annotations

from tests.unit.scenarios.worlds import containers, weave
from tests.unit.scenarios.worlds.broken import Broken, put
from tests.unit.scenarios.worlds.failures import fault, line, nodes

_OWN = r"10\.46\.7\.\d+"


def _answers(step: str, first: str, second: str) -> list[Broken]:
    """The step in which both containers answer each other."""
    return [
        containers.silent(step, "machine1", _OWN, f"{second} answers {first}"),
        containers.silent(step, "machine2", _OWN, f"{first} answers {second}"),
    ]


def _cut(network: str, first: str, second: str, address: str) -> list[Broken]:
    return [
        nodes("1", "down", "every node is Ready"),
        *containers.network("2", "the one given"),
        *containers.runs("3", "machine1", first),
        *containers.runs("4", "machine2", second),
        *_answers("5", first, second),
        *fault("6", healed="8"),
        containers.answering("6", "machine1", address, f"6: {second} does not answer"),
        containers.not_sent("6", "machine1", address, f"6: {second} does not answer"),
        nodes("6", "ready", "the swarm has machine2 as down"),
        line("6", "node", "down", "6: node machine2 down", "8: one after"),
        line("6", "node", "ready", "8: node machine2 ready"),
        line("6", "ping", "lost", "6: ping task1 to address2 lost", "8: one after"),
        line("6", "ping", "answered", "8: ping task\\d to address\\d answered"),
        Broken(
            f"{second} has ended alone",
            "7",
            "machine2",
            containers.inspected(second),
            put("exited", "State", "Status"),
            (f"7: container {second} runs",),
        ),
        *_answers("8", first, second),
        nodes("8", "down", "the swarm has machine2 as ready"),
        containers.stays("9", "machine1", first, "3"),
        containers.stays("10", "machine2", second, "4"),
        containers.network_stays("11", "machine1", network, "2"),
    ]


OVERLAY = [*_cut("cutnet1", "cut1", "cut2", "10.46.7.4"), containers.left("cut1")]

PLUGIN = [
    *_cut("cuttunnel1", "cuttunnel1", "cuttunnel2", "10.46.7.3"),
    *weave.plugin("1b", "machine1"),
    *weave.plugin("1b", "machine2"),
    *weave.mesh("1b", "machine1", "machine2"),
    *weave.mesh("1b", "machine2", "machine1"),
    *weave.clear("1b"),
    weave.stays("11b", "machine2", "the plugin is gone"),
    weave.stays("0", "machine1", "no service, container or network"),
    containers.left("cuttunnel1"),
]
