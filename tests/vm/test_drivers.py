"""Docker's network drivers on virtual machines, whose kernels have what light hosts lack: IPVS, ESP
and ipvlan. One lab runs all of the atlas."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from provision.providers.boxes import build
from tests.vm.test_book import Lab
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="a dozen scenarios take long where machines are emulated: SWARMRIG_VM=all runs them",
)

# What no other tier can run comes first.
ATLAS = (
    *("vip", "encrypted", "publish", "ipvlan"),
    *("bridge", "host", "none", "macvlan", "attachable", "dnsrr", "networks", "ipv6"),
)


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    build.build()
    made = Lab(world, tmp_path_factory.mktemp("drivers"))
    made.registry = str(made.folder / "labs")
    text = 'name = "book"\nnetwork.subnet = "192.168.58.0/24"\n'
    text += "".join(f'[[machines]]\nname = "machine{number}"\n' for number in (1, 2))
    (made.folder / "lab.toml").write_text(text)
    made.must("up")
    yield made
    made.inv("destroy")


def failed(record: dict[str, Any]) -> list[str]:
    return [
        f"{step['number']}: {one['what']}: {one['seen']}"
        for step in record["steps"]
        for one in step["expectations"]
        if one["passed"] is False
    ] + [f"{step['number']}: {step['reason']}" for step in record["steps"] if step["reason"]]


@pytest.mark.parametrize("name", ATLAS)
def test_the_scenario_passes_and_skips_nothing(name: str, lab: Lab) -> None:
    done = lab.inv("scenario", name)
    record = lab.report(name)
    assert (record["missing"], failed(record)) == ([], []), done.stdout
    assert record["verdict"] == "passed"
    assert done.returncode == 0


def test_what_is_encrypted_is_seen_as_esp_and_cannot_be_read(lab: Lab) -> None:
    steps = {step["number"]: step for step in lab.report("encrypted")["steps"]}
    for number in ("4", "5"):
        for capture in steps[number]["captures"]:
            kinds = {flow["encapsulation"] for flow in capture["flows"]}
            assert kinds == {"ESP"}
            assert all(flow["inner"] == "" for flow in capture["flows"])


def test_the_atlas_is_made_of_these_reports(lab: Lab) -> None:
    said = lab.must("atlas", "--from-reports")
    (page,) = lab.folder.glob("reports/book/*-atlas/atlas.html")
    assert "Atlas: " in said
    text = page.read_text()
    for name in ATLAS:
        assert f">{name}</a>" in text
    assert "nobody on the underlay can read it" in text


def test_drivers_are_measured_against_each_other_and_nothing_is_left(lab: Lab) -> None:
    words = ("measure", "host", "overlay", "bridge", "--rounds", "8", "--seconds", "2", "--json")
    done = lab.inv(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(done.stdout)
    assert record["verdict"] == "measured"
    assert {one["driver"] for one in record["results"]["drivers"]} == {"host", "overlay", "bridge"}
    assert all(one["cpu_seconds"] for one in record["samples"])
    for machine in ("machine1", "machine2"):
        assert (
            lab.on(machine, "docker ps -aq --filter label=swarmrig.measure; pgrep iperf3 || true")
            == ""
        )
