"""A time line over real daemons: what a fault does is on it, in its order."""

from __future__ import annotations

from pathlib import Path

from provision.faults import library
from provision.lab.model import Lab
from scenarios.checks import network
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step
from scenarios.record import store, timeline
from scenarios.record.model import TimeLine
from tests.hosts.light_hosts import Host, wait_for
from tests.support.play import play

LONG = 600  # seconds: a fault that is healed by the end of its block
PATIENCE = 180

CREATE = (
    "docker service create -t --name {name} --network net1 --constraint node.id=={{node{n}}} "
    "--restart-delay 1s --no-resolve-image {{image}}"
)


def freezing() -> Scenario:
    """A worker's daemon freezes and thaws; a partition cuts a ping that goes on meanwhile."""
    scenario = Scenario(
        "freezing",
        exercise="-",
        title="A daemon that freezes",
        summary="s",
        services=("web1", "web2"),
        networks=("net1",),
    )

    @scenario.step(1, "network", on="machine1", run="docker network create -d overlay net1")
    def created(step: Step) -> None:
        pass

    for number in (1, 2):

        @scenario.step(
            1 + number,
            f"service {number}",
            on="machine1",
            run=CREATE.format(name=f"web{number}", n=number),
            service=f"web{number}",
        )
        def started(step: Step, number: int = number) -> None:
            network.expect_one_task(step, f"web{number}", on=f"machine{number}")

        @scenario.step(f"{1 + number}b", "its task", on=f"machine{number}", run="docker ps")
        def remembered(step: Step, number: int = number) -> None:
            network.remember_task(step, f"web{number}", as_name=f"task{number}", network="net1")

    def freeze(step: Step) -> None:
        pings = [("task1", "address2"), ("machine2", "machine1")]
        with step.timeline("web1", "web2", pings=pings) as line:
            with step.fault(library.partition("machine2"), LONG):
                lost = line.wait("ping", ("machine2", "machine1"), "lost", patience=PATIENCE)
                line.wait("ping", ("task1", "address2"), "lost", patience=PATIENCE)
            line.wait("ping", ("task1", "address2"), "answered", since=lost, patience=PATIENCE)
            line.wait("ping", ("machine2", "machine1"), "answered", since=lost, patience=PATIENCE)
            with step.fault(library.freeze_daemon("machine2"), LONG):
                made = line.fault("freeze-daemon")
                line.wait("engine", "machine2", "does not answer", since=made, patience=PATIENCE)
                down = line.wait("node", "machine2", "down", since=made, patience=PATIENCE)
            line.wait("node", "machine2", "ready", since=down, patience=PATIENCE)

    @scenario.step(6, "A partition, and a daemon that freezes", on="machine1", do=freeze)
    def judged(step: Step) -> None:
        line = step.line
        frozen = line.fault("freeze-daemon")
        down = line.get("node", "machine2", "down", since=frozen)
        back = line.get("node", "machine2", "ready", since=down)
        thawed = line.fault("freeze-daemon", "healed")
        step.expect("it went down after it froze", expected="before", seen=frozen.order(down))
        step.expect("it came back after that", expected="before", seen=down.order(back))
        step.expect("and not before it thawed", expected=True, seen=thawed.order(back) != "after")

    return scenario


def test_a_frozen_daemon_and_a_partition_are_on_the_line_in_their_order(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    result = play(freezing(), lab, tmp_path)
    assert result.verdict == "passed", [(s.title, s.reason) for s in result.steps]
    (line,) = store.load(tmp_path).timelines
    assert line.notes == []
    states = {(lane.kind, lane.subject): [span.state for span in lane.spans] for lane in line.lanes}
    assert states["engine", "machine2"][:3] == ["answers", "does not answer", "answers"]
    assert states["engine", "machine1"] == ["answers"]
    assert states["manager", "machine1"] == ["leads"]
    assert ("manager", "machine2") not in states
    assert states["leader", "swarm"] == ["machine1"]
    assert states["fault", "partition"] == states["fault", "freeze-daemon"] == ["made", "healed"]
    _judge_gap(line, "machine2 to machine1")
    assert states["ping", "task1 to address2"][:3] == ["answered", "lost", "answered"]
    nothing_runs_on(two_hosts)


def _judge_gap(line: TimeLine, ping: str) -> None:
    """The ping was lost while the partition was there, and at no other time."""
    (gap,) = timeline.gaps(line, ping)
    made = timeline.first(line, "fault", "partition", "made")
    healed = timeline.first(line, "fault", "partition", "healed")
    assert made
    assert healed
    assert gap.end
    assert gap.lost >= 1
    assert made.order(gap.begin) != "after"
    assert healed.order(gap.end) != "after"
    assert gap.lasted.low is not None
    assert gap.lasted.high is not None
    assert 0 <= gap.lasted.low < gap.lasted.high


def nothing_runs_on(hosts: list[Host]) -> None:
    """The pings' loops end by themselves once the line has ended."""
    look = "ps -eo args | grep -c '[w]hile read -r n'"
    for host in hosts:
        wait_for(
            f"no ping on {host.name}",
            lambda host=host: host.exec("sh", "-c", look, check=False).stdout.strip() == "0",  # type: ignore[misc]
        )
