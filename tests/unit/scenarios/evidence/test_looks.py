"""What managers and engines answer becomes states on a time line."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import requests

from provision.support.errors import MachineError
from scenarios.evidence import looks, pinging
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.looks import Looker, Swarm, task_state
from scenarios.record.model import TimeLine

NO_LEADER = (
    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few "
    "managers are online."
)


def node(
    number: int, state: str = "ready", leads: bool = False, reached: str = "", on: str = "active"
) -> dict[str, Any]:
    """A node as the Engine API gives it (docker 26.1)."""
    manager = {"Leader": leads, "Reachability": reached, "Addr": f"10.77.0.{number}:2377"}
    return {
        "ID": f"node{number}",
        "Spec": {"Role": "manager" if reached else "worker", "Availability": on},
        "Description": {"Hostname": f"host{number}"},
        "Status": {"State": state, "Addr": f"10.77.0.{number}"},
        **({"ManagerStatus": manager} if reached else {}),
    }


def task(task_id: str, state: str, wanted: str, on: str = "", slot: int = 1) -> dict[str, Any]:
    return {
        "ID": task_id,
        "Slot": slot,
        "NodeID": on,
        "DesiredState": wanted,
        "Status": {"State": state, "Message": "started"},
    }


@pytest.fixture
def lanes() -> Lanes:
    return Lanes("4", 0.5, 5)


@pytest.fixture
def swarm(lanes: Lanes) -> Swarm:
    names = {"node1": "machine1", "node2": "machine2", "node3": "machine3"}
    called = {"web": "mine"}
    return Swarm(
        lanes,
        threading.Event(),
        names.get,
        ["web"],
        lambda name: called.get(name, name),
    )


def states(line: TimeLine) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for lane in line.lanes:
        found.setdefault((lane.kind, lane.subject), []).extend(one.state for one in lane.spans)
    return found


def three(leader: int, **others: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        others.get(f"n{number}") or node(number, leads=number == leader, reached="reachable")
        for number in (1, 2, 3)
    ]


def test_nodes_are_called_as_the_lab_calls_their_machines(swarm: Swarm, lanes: Lanes) -> None:
    assert swarm.answered("machine1", [node(1, leads=True, reached="reachable"), node(9)], 0, 1)
    seen = states(lanes.line())
    assert seen["node", "machine1"] == ["ready"]
    assert seen["node", "host9"] == ["ready"]  # it joined after the run began
    assert seen["leader", "swarm"] == ["machine1"]
    assert seen["manager", "machine1"] == ["leads"]
    assert seen["reachability", "machine1"] == ["reachable"]
    assert ("reachability", "host9") not in seen


def test_one_manager_is_believed_until_it_does_not_answer(swarm: Swarm, lanes: Lanes) -> None:
    assert swarm.answered("machine1", three(1), 0, 1)
    down = node(3, "down", reached="unreachable")
    assert not swarm.answered("machine2", three(1, n3=down), 1, 2)
    assert states(lanes.line())["node", "machine3"] == ["ready"]
    swarm.refused("machine1", "no answer in time", 2)
    assert swarm.answered("machine2", three(2, n3=down), 3, 4)
    seen = states(lanes.line())
    assert seen["node", "machine3"] == ["ready", "down"]
    assert seen["leader", "swarm"] == ["machine1", "machine2"]
    assert seen["manager", "machine1"] == ["leads", "does not answer"]
    assert seen["manager", "machine2"] == ["follows", "leads"]


def test_a_look_that_began_before_the_other_manager_fell_silent_says_nothing_new(
    swarm: Swarm, lanes: Lanes
) -> None:
    swarm.answered("machine1", three(1), 0, 0)
    swarm.refused("machine1", "no answer in time", 0)
    stale = lanes.now() - 1000
    assert not swarm.answered("machine2", three(1, n3=node(3, "down")), stale, lanes.now())
    assert states(lanes.line())["node", "machine3"] == ["ready"]


def test_a_minority_that_has_no_leader_does_not_speak_for_the_swarm(
    swarm: Swarm, lanes: Lanes
) -> None:
    swarm.answered("machine1", three(1), 0, 1)
    swarm.answered("machine2", three(1), 0, 1)
    swarm.refused("machine1", NO_LEADER, 1)
    seen = states(lanes.line())
    assert seen["manager", "machine1"] == ["leads", "has no leader"]
    assert seen["leader", "swarm"] == ["machine1"]
    swarm.refused("machine2", NO_LEADER, 2)
    assert states(lanes.line())["leader", "swarm"] == ["machine1", "none"]


def test_a_worker_is_no_manager_and_no_news(swarm: Swarm, lanes: Lanes) -> None:
    refusal = "This node is not a swarm manager. Worker nodes can't be used to view the state."
    swarm.refused("machine2", refusal, 0)
    assert lanes.line().lanes == []
    swarm.answered("machine1", three(1), 0, 1)
    swarm.refused("machine1", refusal, 2)  # demoted
    assert states(lanes.line())["manager", "machine1"] == ["leads", "is no manager"]


def test_tasks_have_a_lane_each_by_the_exercises_name(swarm: Swarm, lanes: Lanes) -> None:
    swarm.answered("machine1", three(1), 0, 1)
    swarm.tasks("mine", [task("a" * 25, "running", "running", "node2")], 1, 2)
    moved = [
        task("a" * 25, "running", "shutdown", "node2"),
        task("b" * 25, "running", "running", "node1"),
    ]
    swarm.tasks("mine", moved, 3, 4)
    swarm.tasks("mine", moved[1:], 5, 6)
    old, new = [lane for lane in lanes.line().lanes if lane.kind == "task"]
    assert (old.subject, old.id, old.machine) == ("web.1", "a" * 12, "machine2")
    assert [span.state for span in old.spans] == ["running", "to be shut down", "removed"]
    assert (new.subject, new.id, new.machine) == ("web.1", "b" * 12, "machine1")
    # It was not there when the look before began.
    assert (new.spans[0].after, new.spans[0].by) == (1, 4)


def test_a_task_of_a_global_service_is_named_by_its_machine(swarm: Swarm, lanes: Lanes) -> None:
    swarm.answered("machine1", three(1), 0, 1)
    one = task("a" * 25, "running", "running", "node2") | {"Slot": None}
    swarm.tasks("mine", [one], 1, 2)
    assert states(lanes.line())["task", "web.machine2"] == ["running"]


def test_the_state_of_a_task_says_that_it_is_no_longer_wanted() -> None:
    assert task_state(task("a", "running", "shutdown")) == "to be shut down"
    assert task_state(task("a", "shutdown", "shutdown")) == "shutdown"
    assert task_state(task("a", "preparing", "running")) == "preparing"


def test_after_the_end_nothing_is_added(swarm: Swarm, lanes: Lanes) -> None:
    swarm.stop.set()
    assert not swarm.answered("machine1", three(1), 0, 1)
    swarm.refused("machine1", NO_LEADER, 1)
    swarm.tasks("mine", [task("a", "running", "running")], 1, 2)
    assert lanes.line().lanes == []


def test_a_looker_survives_what_goes_wrong_in_a_look_and_ends_when_it_is_told(
    lanes: Lanes,
) -> None:
    stop = threading.Event()

    class Failing(Looker):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks > 2:
                stop.set()
            raise RuntimeError(f"look {self.looks}")

    one = Failing("machine1", lanes, 0.0, stop)
    one.start()
    one.join(600)
    assert not one.is_alive()
    assert lanes.line().notes[:2] == [
        "machine1: RuntimeError: look 1",
        "machine1: RuntimeError: look 2",
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            MachineError("m2: no SSH at ops@10.0.0.2: refused"),
            "m2: no SSH at ops@10.0.0.2: refused",
        ),
        (docker.errors.APIError("500", explanation=NO_LEADER), NO_LEADER),
        (requests.ReadTimeout("Read timed out. (read timeout=5)"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (
            requests.ConnectionError("Connection aborted.', RemoteDisconnected("),
            "nobody listens at its socket",
        ),
        (EOFError(), "EOFError"),
        (ValueError("a\nb"), "ValueError: a"),
    ],
)
def test_why_nobody_answers_is_told_in_a_line(error: Exception, words: str) -> None:
    assert looks.reason(error) == words


def test_a_ping_runs_beside_dockers_daemon_and_is_quoted_for_the_shell() -> None:
    command = pinging.loop_command("10.0.1.6; reboot", 4711)
    assert "docker" not in command
    words = shlex.split(command[command.index("nsenter") : command.index("; else exec")])
    assert words[:-1] == ["nsenter", "-n", "-t", "4711", "sh", "-c"]
    assert words[-1] == pinging.loop("10.0.1.6; reboot", 4711)
    assert "-W 2 '10.0.1.6; reboot' >" in words[-1]
    assert pinging.loop_command("10.77.0.1").startswith("sh -c ")


def looped(folder: Path, ping: str, numbers: str, pid: int = 0) -> str:
    """What the loop says, with a ping that does this."""
    program = folder / "ping"
    program.write_text(f"#!/bin/sh\n{ping}\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", pinging.loop("10.0.1.6", pid)],
        input=numbers,
        capture_output=True,
        text=True,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        check=False,
    )
    return done.stdout


def test_the_loop_answers_each_number_with_what_came_of_its_packet(tmp_path: Path) -> None:
    answers_the_first = 'mkdir "${0%/*}/once" 2>/dev/null'
    assert looped(tmp_path, answers_the_first, "1\n2\n") == "1 answered\n2 lost\n"
    assert looped(tmp_path, "exit 0", "3\n", os.getpid()) == "3 answered\n"
    assert looped(tmp_path, "exit 1", "4\n", os.getpid()) == "4 lost\n"


def test_a_task_that_is_gone_has_lost_no_packet(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as task:
        dies_meanwhile = (
            f"kill {task.pid}; while kill -0 {task.pid} 2>/dev/null; do :; done; exit 1"
        )
        # Nobody collects it but us, so that until then it is there.
        threading.Thread(target=task.wait).start()
        assert looped(tmp_path, dies_meanwhile, "1\n2\n", task.pid) == ""
    assert looped(tmp_path, "exit 0", "3\n", task.pid) == ""
