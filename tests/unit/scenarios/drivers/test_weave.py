"""The Weave exercise as far as it can be seen without a machine: packets, mesh, leftovers."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from provision.lab.load import load
from provision.lab.model import PluginSpec
from provision.plugins import weave as traces
from scenarios.drivers import weave as weave_net
from scenarios.drivers.exercise import plugin_scenario
from scenarios.evidence import capture, encapsulation
from scenarios.kit import runner
from scenarios.kit.driver import Driver, Peer
from scenarios.record import model
from scenarios.weave import weave

CLONE = Path(__file__).parents[4]
ONE, TWO = bytes.fromhex("9662c2ff59a6"), bytes.fromhex("d63ae1024400")
TASK1, TASK2 = "10.1.1.2", "10.1.1.3"
PLAIN = weave_net.encapsulation(PluginSpec())
SECRET = weave_net.encapsulation(PluginSpec(password="sesame"))  # noqa: S106 - a test's


def echo(source: str, target: str, kind: int) -> Any:
    return Ether(dst="02:00:00:00:00:01") / IP(src=source, dst=target) / ICMP(type=kind)


def outer(port: int) -> Any:
    return Ether() / IP(src="192.168.56.11", dst="192.168.56.12") / UDP(sport=port, dport=port)


def fast(frame: Any, vni: int = 0x1691F5) -> Any:
    return outer(6784) / VXLAN(vni=vni) / frame


def sleeve(*frames: bytes, sender: bytes = ONE) -> Any:
    data = sender
    for frame in frames:
        data += sender + TWO + len(frame).to_bytes(2, "big") + frame
    return outer(6783) / Raw(data)


def esp() -> Any:
    return Ether() / IP(src="192.168.56.11", dst="192.168.56.12", proto=50) / Raw(b"\x01" * 40)


def captured(folder: Path, how: encapsulation.Encapsulation, *packets: Any) -> model.Capture:
    wrpcap(str(folder / "in.pcap"), [Ether(bytes(packet)) for packet in packets])

    class Box:
        name = "machine1"

    live = capture._Live(Box(), "eth1", io.BytesIO((folder / "in.pcap").read_bytes()))  # type: ignore[arg-type]
    return capture.read_capture(live, how, folder, "out.pcap")


# -- packets ------------------------------------------------------------------------------------


def test_icmp_is_recognized_on_the_fast_datapath_and_in_the_sleeve(tmp_path: Path) -> None:
    seen = captured(
        tmp_path,
        PLAIN,
        fast(echo(TASK1, TASK2, 8)),
        fast(echo(TASK2, TASK1, 0), vni=0x1F5169),
        sleeve(bytes(echo(TASK1, TASK2, 8))),
    )
    assert [packet.encapsulation for packet in seen.packets] == [
        "Weave fast datapath",
        "Weave fast datapath",
        "Weave sleeve",
    ]
    # The VNI names the two peers, in an order of its own each way: it tells no network.
    assert {packet.vni for packet in seen.packets} == {None}
    assert capture.crossings(seen, "echo request", TASK1, TASK2, None) == 2
    assert capture.crossings(seen, "echo reply", TASK2, TASK1, None) == 1
    assert capture.crossings(seen, "echo reply", TASK1, TASK2, None) == 0


def test_several_frames_in_one_sleeve_packet_are_all_seen(tmp_path: Path) -> None:
    both = sleeve(bytes(echo(TASK1, TASK2, 8)), bytes(echo(TASK1, "10.1.1.9", 8)))
    seen = captured(tmp_path, PLAIN, both)
    assert capture.crossings(seen, "echo request", TASK1, TASK2, None) == 1
    assert capture.crossings(seen, "echo request", TASK1, "10.1.1.9", None) == 1


def test_the_routers_own_frames_and_a_cut_one_are_no_trouble(tmp_path: Path) -> None:
    whole = sleeve(bytes(22), bytes(echo(TASK1, TASK2, 8)) + bytes(400))
    cut = Ether(bytes(whole)[:256])
    own = fast(Raw(bytes(60)))
    seen = captured(tmp_path, PLAIN, sleeve(bytes(22)), own, cut)
    assert [packet.inner for packet in seen.packets] == [
        "",
        "",
        f"ICMP echo request {TASK1} > {TASK2}",
    ]


@pytest.mark.parametrize("packet", [outer(4789) / VXLAN(vni=1), outer(53) / Raw(b"x" * 60)])
def test_other_packets_are_not_weaves(packet: Any) -> None:
    assert PLAIN.decode(Ether(bytes(packet))) is None
    assert SECRET.decode(Ether(bytes(packet))) is None


def test_an_encrypted_mesh_shows_packets_and_nothing_in_them(tmp_path: Path) -> None:
    box = outer(6783) / Raw(ONE + b"\x80\x01" + b"\xa7" * 60)
    seen = captured(tmp_path, SECRET, esp(), box)
    assert [packet.encapsulation for packet in seen.packets] == [
        "ESP of Weave's fast datapath",
        "encrypted Weave sleeve",
    ]
    assert [packet.inner for packet in seen.packets] == ["", ""]


def test_what_is_in_the_clear_in_an_encrypted_mesh_is_shown_as_that(tmp_path: Path) -> None:
    seen = captured(
        tmp_path, SECRET, fast(echo(TASK1, TASK2, 8)), sleeve(bytes(echo(TASK1, TASK2, 8)))
    )
    assert all("echo request" in packet.inner for packet in seen.packets)


def test_vxlan_on_another_port_is_another_drivers(tmp_path: Path) -> None:
    mine = encapsulation.vxlan(4790, "test driver's VXLAN", vni_tells_network=False)
    assert mine.filter == "udp port 4790"
    seen = captured(tmp_path, mine, outer(4790) / VXLAN(vni=7) / echo(TASK1, TASK2, 8), fast(Raw()))
    assert [packet.encapsulation for packet in seen.packets] == ["test driver's VXLAN", ""]


# -- mesh ---------------------------------------------------------------------------------------


def test_a_managers_connection_to_itself_is_no_peer() -> None:
    report = {
        "Router": {
            "Connections": [
                {
                    "Address": "192.168.56.12:46895",
                    "State": "established",
                    "Info": "fastdp d6:3a:e1:02:44:00(machine2)",
                    "Attrs": {"mtu": 1376, "name": "fastdp"},
                },
                {
                    "Address": "192.168.56.11:6783",
                    "State": "failed",
                    "Info": "cannot connect to ourself, retry: never",
                },
            ]
        }
    }
    assert weave_net.peers(report) == (Peer("machine2", True, False, "fastdp"),)


def test_a_pending_connection_is_not_established() -> None:
    info = "encrypted   sleeve d6:3a:e1:02:44:00(machine2)"
    connection = {"State": "pending", "Info": info, "Attrs": {"encrypted": True, "name": "sleeve"}}
    report = {"Router": {"Connections": [connection]}}
    assert weave_net.peers(report) == (Peer("machine2", False, True, "sleeve"),)
    assert weave_net.peers({"Router": {"Connections": None}}) == ()


# -- leftovers ----------------------------------------------------------------------------------

POLICIES = """src 192.168.56.11/32 dst 192.168.56.12/32 proto udp
\tdir out priority 0 ptype main
\tmark 0x20000/0x20000
\ttmpl src 192.168.56.11 dst 192.168.56.12
\t\tproto esp spi 0x148fa34e reqid 0 mode transport
src 192.168.56.11/32 dst 192.168.56.12/32 proto udp sport 4789
\tdir out priority 0 ptype main
\tmark 0xd0c4e3/0xffffffff
\ttmpl src 192.168.56.11 dst 192.168.56.12
"""
STATES = r"""src 192.168.56.11 dst 192.168.56.12\ proto esp spi 0x148fa34e reqid 0 mode transport
src 192.168.56.12 dst 192.168.56.11\ proto esp spi 0x10a89fee reqid 0 mode transport
src 192.168.56.12 dst 192.168.56.11\ proto esp spi 0x00000bad reqid 13681891 mark 0xd0c4e3/0xff
src 10.0.0.1 dst 10.0.0.2\ proto esp spi 0x00000bed reqid 0 mode tunnel
"""


def test_only_weaves_own_ipsec_is_removed() -> None:
    assert traces.ipsec_removal(POLICIES, STATES) == [
        "ip xfrm policy delete dir out src 192.168.56.11/32 dst 192.168.56.12/32 proto udp "
        "mark 0x20000 mask 0x20000",
        "ip xfrm state delete src 192.168.56.11 dst 192.168.56.12 proto esp spi 0x148fa34e",
        "ip xfrm state delete src 192.168.56.12 dst 192.168.56.11 proto esp spi 0x10a89fee",
    ]
    assert traces.ipsec_removal("", STATES) == []


# -- the exercise -------------------------------------------------------------------------------


def test_the_weave_exercise_has_all_its_steps() -> None:
    numbers = {re.sub("[a-z]", "", plan.number) for plan in weave.steps}
    assert numbers == {str(number) for number in range(1, 10)}


def test_a_dry_run_tells_the_books_commands_and_the_plugin_that_would_be_taken() -> None:
    told: list[str] = []
    runner.dry_run(weave, load(CLONE / "lab.toml"), told.append)
    text = "\n".join(told)
    assert "docker plugin install store/weaveworks/net-plugin:2.5.2" in text
    assert "--driver=rajchaudhuri/net-plugin:latest_release-<arch>" in text


def test_a_dry_run_names_the_plugin_of_the_lab(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('[weave]\nplugin = "example/driver:1"\n')
    told: list[str] = []
    runner.dry_run(weave, load(tmp_path / "lab.toml"), told.append)
    assert any("--driver=example/driver:1" in line for line in told)


def test_nothing_of_another_drivers_scenario_says_weave() -> None:
    driver = Driver("a test driver", "test.sock", lambda _: encapsulation.vxlan(4790))
    other = plugin_scenario(
        "testdriver",
        driver,
        exercise="-",
        title="A test driver between two hosts",
        summary="The steps of the plugin exercise with a test driver.",
        network="testnet1",
        services=("test1", "test2"),
    )
    for plan in other.steps:
        for text in (plan.title, plan.run, plan.book, plan.why):
            assert "weave" not in text.lower()
    assert [plan.number for plan in other.steps] == [plan.number for plan in weave.steps]


# -- captures of a real mesh (weave 2.9.0 between two virtual machines, three pings by address) ---


def kept(name: str) -> list[Any]:
    return list(rdpcap(str(Path(__file__).parent / "captures" / f"{name}.pcap")))


@pytest.mark.parametrize(
    ("name", "encapsulation"),
    [("weave-fast-datapath", "Weave fast datapath"), ("weave-sleeve", "Weave sleeve")],
)
def test_the_pings_of_a_real_mesh_are_read_both_ways(
    tmp_path: Path, name: str, encapsulation: str
) -> None:
    seen = captured(tmp_path, PLAIN, *kept(name))
    assert capture.crossings(seen, "echo request", TASK2, TASK1, None) == 3
    assert capture.crossings(seen, "echo reply", TASK1, TASK2, None) == 3
    carrying = {packet.encapsulation for packet in seen.packets if "ICMP echo" in packet.inner}
    assert carrying == {encapsulation}


def test_nothing_of_a_real_encrypted_mesh_is_read(tmp_path: Path) -> None:
    seen = captured(tmp_path, SECRET, *kept("weave-encrypted"))
    assert {packet.encapsulation for packet in seen.packets} == {
        "ESP of Weave's fast datapath",
        "encrypted Weave sleeve",
    }
    assert not any(packet.inner for packet in seen.packets)
