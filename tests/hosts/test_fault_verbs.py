"""Faults that are made on purpose: each has its effect, and none outlives its time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provision.changes import journal
from provision.faults import library, making
from provision.faults.fault import Fault, Seen
from provision.faults.making import Faults
from provision.lab.model import Lab
from provision.lifecycle import destroy, running, status, up
from provision.support.errors import MachineError, UserError
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step
from scenarios.record import store
from tests.hosts import root as roots
from tests.hosts.conftest import CLONE
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.support.play import failed, play
from tests.support.progress import quiet
from tests.unit.cli.test_cli import inv

LONG = 600  # seconds: a fault that is healed by hand, or by the end of its block

_TRACES = r"""
echo rules; iptables-save | grep -e swarmrig -e '192[.]0[.]2[.]'
echo shaping; { tc qdisc show dev eth0; tc filter show dev eth0; } | sed 's/direct_packets.*//'
echo files; ls -d /run/swarmrig* /etc/systemd/system/swarmrig* 2>/dev/null
echo units; systemctl list-units --all --plain --no-legend 'swarmrig*'
echo daemon; systemctl is-active docker docker.socket; pid=$(pidof dockerd)
[ -z "$pid" ] || grep ^State /proc/$pid/status | grep -c stopped
echo link; cat /sys/class/net/eth0/mtu
"""


# Counts what arrives by one connection.
_HEAR = """
my $listener = IO::Socket::INET->new(Listen => 1, LocalPort => 7700, ReuseAddr => 1);
my $sender = $listener->accept;
my $count = 0;
while (my $read = sysread($sender, my $bytes, 65536)) { $count += $read }
print $count;
"""


def traces(hosts: list[Host]) -> list[str]:
    """All of the hosts that a fault could leave changed."""
    return [
        f"{host.name} {line}"
        for host in hosts
        for line in host.exec("sh", "-c", _TRACES, check=False).stdout.splitlines()
    ]


def answered(source: Host, target: Host, count: int = 5, size: int = 56) -> int:
    """How many of some pings from one host to another are answered."""
    how = f"ping -q -c {count} -i 0.1 -W 1 -M do -s {size} {target.address}"
    said = source.exec("sh", "-c", how, check=False).stdout
    found = re.search(r"(\d+) received", said)
    assert found, said
    return int(found[1])


def kernel_has(host: Host, discipline: str) -> bool:
    tried = f"unshare -n tc qdisc add dev lo root {discipline}"
    return not host.exec("sh", "-c", tried, check=False).returncode


@pytest.fixture
def faults(lab: Lab) -> Iterator[Faults]:
    with running.machines_of(lab) as machines:
        yield Faults(lab, machines, journal.of_lab(lab))


@pytest.fixture(autouse=True)
def nothing_is_left(faults: Faults, two_hosts: list[Host]) -> Iterator[None]:
    """Each test leaves hosts, units and journal as they were."""
    before = traces(two_hosts)
    yield
    faults.journal = journal.of_lab(faults.lab)
    faults.heal_all()
    assert faults.listed() == []
    assert traces(two_hosts) == before
    written = journal.of_lab(faults.lab)
    assert [e for host in written.hosts() for e in written.of(host) if e.kind == "fault"] == []


# -- each has its effect --------------------------------------------------------------------------


def test_a_partition_cuts_both_ways_and_ssh_does_not_notice(
    faults: Faults, two_hosts: list[Host]
) -> None:
    one, two = two_hosts
    with faults.during(library.partition("machine2"), LONG):
        assert (answered(one, two), answered(two, one)) == (0, 0)
        assert faults.machines["machine2"].run("echo still here", 10).stdout == "still here\n"
        listens = "exec 3<>/dev/tcp/{}/{} && echo open"
        ssh = one.exec("timeout", "3", "bash", "-c", listens.format(two.address, 22), check=False)
        other = one.exec(
            "timeout", "3", "bash", "-c", listens.format(two.address, 2377), check=False
        )
        assert (ssh.stdout, other.stdout) == ("open\n", "")
    assert (answered(one, two), answered(two, one)) == (5, 5)


def test_one_way_is_one_way_and_a_port_is_that_port(faults: Faults, two_hosts: list[Host]) -> None:
    one, two = two_hosts
    with faults.during(library.partition("machine1", "machine2", one_way=True), LONG):
        rules = [host.exec("iptables-save").stdout for host in two_hosts]
        assert [f"-s {one.address}/32 -j DROP" in rule for rule in rules] == [False, True]
        assert answered(two, one) == 0
    with faults.during(library.partition("machine1", port="4789/udp"), LONG):
        assert answered(one, two) == 5
        rule = f"-s {one.address}/32 -p udp -m udp --dport 4789 -j DROP"
        assert rule in two.exec("iptables-save").stdout


def test_loss_loses_about_as_many_as_was_asked_for(faults: Faults, two_hosts: list[Host]) -> None:
    one, two = two_hosts
    with faults.during(library.loss("machine1", percent=50), LONG):
        # Of 200 at a half, fewer than 60 or more than 140 come once in a hundred million runs.
        said = one.exec("ping", "-q", "-f", "-c", "200", "-W", "1", two.address, check=False).stdout
        received = int(re.search(r"(\d+) received", said)[1])  # type: ignore[index]
        assert 60 <= received <= 140
    with faults.during(library.loss("machine1", percent=100), LONG):
        assert answered(one, two) == 0


def test_an_mtu_loses_larger_packets_both_ways_and_tells_nobody(
    faults: Faults, two_hosts: list[Host]
) -> None:
    one, two = two_hosts
    with faults.during(library.mtu("machine2", size=1400), LONG):
        for source, target in ((one, two), (two, one)):
            # 28 bytes of headers beside what ping is asked to send.
            assert answered(source, target, size=1400 - 28) == 5
            assert answered(source, target, size=1401 - 28) == 0
    assert answered(one, two, size=1472) == 5


def test_a_rate_slows_down_what_is_sent_to_the_others_and_not_ssh(
    faults: Faults, two_hosts: list[Host]
) -> None:
    one, two = two_hosts
    if not kernel_has(two, "htb"):
        pytest.skip("this kernel has no HTB")

    def sent(source: Host, target: Host) -> float:
        """Seconds that 50 kB take by TCP."""
        begin = time.monotonic()
        with ThreadPoolExecutor() as pool:
            heard = pool.submit(target.exec, "perl", "-MIO::Socket::INET", "-e", _HEAR)
            wait_for("the listener", lambda: "7700" in target.exec("ss", "-Hltn").stdout, 10)
            give = f"head -c 50000 /dev/zero > /dev/tcp/{target.address}/7700"
            source.exec("bash", "-c", give)
            assert heard.result().stdout == "50000"
        return time.monotonic() - begin

    with faults.during(library.rate("machine2", kbit=100), LONG):
        # 50 kB are 400 kbit.
        assert sent(two, one) > 3
        assert sent(one, two) < 3
        begin = time.monotonic()
        said = faults.machines["machine2"].run("head -c 400000 /dev/zero | tr '\\0' x", 60).stdout
        assert (len(said), time.monotonic() - begin < 20) == (400000, True)
        # A second one is refused, and leaves the first one there.
        with pytest.raises(MachineError, match="eth0 has such a fault already"):
            faults.make(library.rate("machine2", kbit=50), LONG)
        shown = two.exec("tc", "-s", "class", "show", "dev", "eth0").stdout
        assert re.search(r"htb 5357:1 .*rate 100Kbit", shown)


@pytest.mark.parametrize("fault", [library.delay("machine2", ms=200), library.reorder("machine2")])
def test_delay_and_reorder_have_their_effect_or_are_refused_in_words(
    fault: Fault, faults: Faults, two_hosts: list[Host]
) -> None:
    one, two = two_hosts
    if not kernel_has(two, "netem"):
        before = traces(two_hosts)
        with pytest.raises(MachineError, match="qdisc kind is unknown") as caught:
            faults.make(fault, LONG)
        assert "machine2: its kernel or tools cannot make it" in str(caught.value)
        assert "netem is in the package" in str(caught.value)
        assert traces(two_hosts) == before
        pytest.skip("this kernel has no netem: only the refusal is tested")
    with faults.during(fault, LONG):
        said = one.exec("ping", "-q", "-c", "5", "-i", "0.3", two.address).stdout
        least, most = map(float, re.search(r"= ([\d.]+)/[\d.]+/([\d.]+)/", said).groups())  # type: ignore[union-attr]
        assert most >= (20 if fault.kind == "reorder" else 200)
        assert fault.kind == "reorder" or least >= 200


def test_a_killed_daemon_stays_away_and_its_tasks_run(
    faults: Faults, two_hosts: list[Host]
) -> None:
    two = two_hosts[1]
    before = two.exec("systemctl", "show", "-p", "MainPID", "docker").stdout
    with faults.during(library.kill_daemon("machine2"), LONG):
        assert two.exec("docker", "version", check=False).returncode
        assert two.exec("pidof", "dockerd", check=False).stdout == ""
        with pytest.raises(MachineError, match="systemd does not run Docker's daemon"):
            faults.make(library.freeze_daemon("machine2"), LONG)
    assert two.exec("docker", "version").returncode == 0
    assert two.exec("systemctl", "show", "-p", "MainPID", "docker").stdout != before


def test_a_daemon_is_not_killed_under_containers_of_others(
    faults: Faults, two_hosts: list[Host]
) -> None:
    two = two_hosts[1]
    two.exec("docker", "run", "-d", "-t", "--name", "theirs", roots.TAG)
    try:
        for fault in (library.kill_daemon("machine2"), library.broken_config("machine2")):
            with pytest.raises(MachineError, match=r"machine2: containers of others .*: theirs\."):
                faults.make(fault, LONG)
        with faults.during(library.freeze_daemon("machine2"), LONG):
            with pytest.raises(MachineError, match="frozen already: heal it first"):
                faults.make(library.freeze_daemon("machine2"), LONG)
            assert two.exec("timeout", "2", "docker", "version", check=False).returncode == 124
        assert two.exec("docker", "ps", "--format", "{{.Names}}").stdout.split() == ["theirs"]
    finally:
        two.exec("docker", "rm", "-f", "theirs")
    assert faults.listed() == []


def test_a_frozen_daemon_answers_nothing_and_is_the_same_afterwards(
    faults: Faults, two_hosts: list[Host]
) -> None:
    two = two_hosts[1]
    pid = two.exec("pidof", "dockerd").stdout
    with faults.during(library.freeze_daemon("machine2"), LONG):
        assert two.exec("timeout", "2", "docker", "version", check=False).returncode == 124
    assert two.exec("docker", "version").returncode == 0
    assert two.exec("pidof", "dockerd").stdout == pid


@pytest.mark.parametrize("fault", [library.power_off("machine2"), library.clock("machine2")])
def test_power_and_clock_of_existing_hosts_are_their_owners(fault: Fault, faults: Faults) -> None:
    with pytest.raises(MachineError, match=r"machine2: its (power|clock) is its owner's"):
        faults.make(fault)


@pytest.fixture
def lone(fabric: Fabric) -> Iterator[Host]:
    (host,) = fabric.add("machine9", docker=False)
    yield host
    fabric.remove(host)


def test_after_a_power_cut_a_host_is_away_for_its_time_and_then_as_before(lone: Host) -> None:
    # The cut itself is the hosts' own: their kernel is this machine's.
    fault = dataclasses.replace(library.power_off("machine9"), seconds=15)
    seen = Seen(machine="machine9", lab="t", address=lone.address)
    lone.exec("sh", "-ec", fault.part(seen, "0a1b2c3d").before)
    cut = time.time()
    lone.crash()
    lone.boot()
    lone.wait_ready()
    assert time.time() - cut >= 14
    left = "ls /etc/systemd/system /etc/systemd/system/sysinit.target.wants | grep -c swarmrig"
    assert lone.exec("sh", "-c", left, check=False).stdout == "0\n"
    assert lone.exec("systemctl", "is-system-running", "--wait", check=False).stdout in {
        "running\n",
        "degraded\n",
    }


def test_a_power_cut_that_was_armed_and_not_made_leaves_nothing(lone: Host) -> None:
    fault = dataclasses.replace(library.power_off("machine9"), seconds=15)
    part = fault.part(Seen(machine="machine9", lab="t", address=lone.address), "0a1b2c3d")
    lone.exec("sh", "-ec", part.before)
    lone.exec("sh", "-ec", part.heal)
    assert lone.exec("sh", "-c", "find /etc -name 'swarmrig*'").stdout == ""


# -- they are listed, and healed by hand ----------------------------------------------------------


def test_faults_are_listed_with_what_is_left_of_their_time_and_healed_together(
    faults: Faults, lab: Lab, two_hosts: list[Host]
) -> None:
    faults.make(library.partition("machine2"), 300)
    faults.make(library.freeze_daemon("machine1"), 200)
    found = faults.listed()
    assert [(one.machine, one.kind) for one in found].count(("machine2", "partition")) == 1
    assert {(one.machine, one.kind) for one in found} == {
        ("machine1", "partition"),
        ("machine2", "partition"),
        ("machine1", "freeze-daemon"),
    }
    assert all(100 < one.left <= 300 for one in found)
    (first, second) = status._faults(lab)
    assert re.fullmatch(
        r"partition: no packet passes between machine2 and machine1 "
        r"\(on machine1, machine2; heals in \d+ s\)",
        first,
    )
    assert second.startswith("freeze-daemon: Docker's daemon on machine1 is frozen")
    # The partition has a part on machine1 too, and is healed on both.
    assert {one.kind for one in faults.heal_all("machine2")} == {"partition"}
    assert [one.kind for one in faults.listed()] == ["freeze-daemon"]
    assert {one.kind for one in faults.heal_all()} == {"freeze-daemon"}
    assert status._faults(lab) == []


def test_by_hand_it_is_made_listed_shown_by_status_and_healed(
    faults: Faults, lab: Lab, two_hosts: list[Host]
) -> None:
    def by_hand(*words: str) -> str:
        done = inv(*words, SWARMRIG_LAB=str(lab.file))
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    said = by_hand("fault.partition", "machine2", "--from", "machine1", "--for", "300")
    words = "no packet passes between machine2 and machine1"
    assert f"{words}. It heals by itself in 300 s; now: inv fault.heal" in " ".join(said.split())
    assert answered(two_hosts[0], two_hosts[1]) == 0
    listed = json.loads(by_hand("fault.ls", "--json"))
    assert [(one["machine"], one["kind"]) for one in listed] == [
        ("machine1", "partition"),
        ("machine2", "partition"),
    ]
    (line,) = json.loads(by_hand("status", "--json"))["faults"]
    assert line.startswith(f"partition: {words} (on machine1, machine2; heals in ")
    assert f"healed partition: {words}" in " ".join(by_hand("fault.heal").split())
    assert answered(two_hosts[0], two_hosts[1]) == 5
    assert "There are no faults to heal." in by_hand("fault.heal")
    assert "No faults." in by_hand("fault.ls")


def test_destroy_heals_what_the_journal_has(
    faults: Faults, lab: Lab, two_hosts: list[Host]
) -> None:
    faults.make(library.partition("machine1"), LONG)
    faults.make(library.freeze_daemon("machine2"), LONG)
    destroy.destroy(lab, quiet())
    assert answered(two_hosts[0], two_hosts[1]) == 5
    assert not (lab.state / "journal.json").exists()
    up.up(lab, quiet())


# -- what is not the lab's ------------------------------------------------------------------------


def test_foreign_rules_and_queueing_disciplines_stay_and_are_never_replaced(
    faults: Faults, two_hosts: list[Host]
) -> None:
    two = two_hosts[1]
    two.exec("iptables", "-t", "mangle", "-I", "PREROUTING", "-s", "192.0.2.1", "-j", "DROP")
    if kernel_has(two, "htb"):
        two.exec("tc", "qdisc", "add", "dev", "eth0", "root", "handle", "7:", "htb")
    mine = traces(two_hosts)
    try:
        with faults.during(library.partition("machine2"), LONG):
            assert "-s 192.0.2.1/32 -j DROP" in two.exec("iptables-save").stdout
        if kernel_has(two, "htb"):
            with pytest.raises(MachineError, match="somebody has set"):
                faults.make(library.rate("machine2"), LONG)
        assert traces(two_hosts) == mine
    finally:
        two.exec("iptables", "-t", "mangle", "-D", "PREROUTING", "-s", "192.0.2.1", "-j", "DROP")
        two.exec("tc", "qdisc", "del", "dev", "eth0", "root", check=False)


def test_a_machine_or_a_time_that_cannot_be_is_refused(faults: Faults) -> None:
    with pytest.raises(UserError, match="no machine 'machine9'"):
        faults.make(library.partition("machine9"))
    with pytest.raises(UserError, match="--for: given 3601; allowed: 1 to 3600 seconds"):
        faults.make(library.partition("machine2"), 3601)


# -- nothing outlives its time --------------------------------------------------------------------


def process(lab: Lab, body: str) -> subprocess.Popen[str]:
    """A process of its own that makes a fault of 6 s, with something of ours in between."""
    code = f"""
        import os, signal
        from pathlib import Path
        from provision.changes import journal
        from provision.faults import library, making
        from provision.lab import load
        from provision.lifecycle import running
        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)
        {body}
        lab = load.load(Path({str(lab.file)!r}))
        with running.machines_of(lab) as machines:
            faults = making.Faults(lab, machines, journal.of_lab(lab))
            faults.make(library.partition("machine2"), 6)
            print("made", flush=True)
            signal.pause()
        """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=CLONE, stdout=subprocess.PIPE, text=True
    )


MOMENTS = {
    "before it is written down": "making.Faults._begin = die",
    "after it is written down": "making._arm = die",
    "between arming and making": "making._apply = die",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_before_it_is_made_there_is_none_and_nothing_is_left(
    moment: str, lab: Lab, faults: Faults, two_hosts: list[Host]
) -> None:
    with process(lab, MOMENTS[moment]) as dying:
        assert dying.wait(60) == -signal.SIGKILL
    assert answered(two_hosts[0], two_hosts[1]) == 5
    wait_for("the timers", lambda: not faults.listed(), 30)


def test_killed_after_it_was_made_its_timer_heals_it(
    lab: Lab, faults: Faults, two_hosts: list[Host]
) -> None:
    one, two = two_hosts
    with process(lab, "pass") as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "made\n"
        begin = time.monotonic()
        dying.kill()
    assert answered(one, two, 2) == 0
    wait_for("the fault to heal", lambda: answered(one, two, 1), 30)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("after", [0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0])
def test_killed_at_any_moment_none_is_left_after_its_time(
    after: float, lab: Lab, faults: Faults, two_hosts: list[Host]
) -> None:
    with process(lab, "pass") as dying:
        time.sleep(after)
        dying.kill()
    # Commands that have reached the machines go on there; then their time comes.
    time.sleep(1)
    wait_for("nothing to be left", lambda: not faults.listed(), 30)
    assert answered(two_hosts[0], two_hosts[1]) == 5


def test_made_too_late_it_is_not_made(
    faults: Faults, two_hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., None] = making._apply

    def late(*args: object) -> None:
        wait_for("the time to be over", lambda: not faults.listed(), 30)
        real(*args)

    monkeypatch.setattr(making, "_apply", late)
    with pytest.raises(MachineError, match="its time is over already"):
        faults.make(library.partition("machine2"), 1)
    assert answered(two_hosts[0], two_hosts[1]) == 5


def test_a_fault_that_cannot_be_made_everywhere_is_healed_where_it_was(
    faults: Faults, two_hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., None] = making._apply

    def half(machine: object, *rest: object) -> None:
        if str(machine) == "machine1":
            raise MachineError("machine1: no")
        real(machine, *rest)

    monkeypatch.setattr(making, "_apply", half)
    with pytest.raises(MachineError, match="machine1: no"):
        faults.make(library.partition("machine2"), LONG)
    assert faults.listed() == []


# -- in a scenario --------------------------------------------------------------------------------


def scenario_of(
    *faults: Fault, seconds: float = LONG, end: Callable[[], object] = bool
) -> Scenario:
    """A scenario whose only step has faults, and pings between the hosts meanwhile and after."""
    made = Scenario("broken", exercise="-", title="Broken", summary="s")

    def arrives(step: Step) -> bool:
        ping = f"ping -q -c 2 -i 0.2 -W 1 {step.context.machines['machine2'].address}"
        return "2 received" in step.run(ping, must=False, sudo=True).stdout

    def broken(step: Step) -> None:
        with contextlib.ExitStack() as stack:
            for fault in faults:
                stack.enter_context(step.fault(fault, seconds))
            if faults:
                seen = arrives(step)
                step.expect("no ping is answered", expected=False, seen=seen, source="ping")
            end()

    @made.step(1, "Break it", on="machine1", do=broken)
    def whole(step: Step) -> None:
        step.expect("every ping is answered", expected=True, seen=arrives(step), source="ping")

    return made


def test_a_scenario_makes_faults_records_them_and_heals_them(
    faults: Faults, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    both = (library.partition("machine1", "machine2"), library.freeze_daemon("machine2"))
    record = play(scenario_of(*both), lab, tmp_path)
    assert (record.verdict, failed(record)) == ("passed", set())
    first, second = record.faults
    assert (first.kind, first.machines, first.step, first.healed) == (
        "partition",
        ["machine1", "machine2"],
        "1",
        "step",
    )
    assert second.what == "Docker's daemon on machine2 is frozen"
    assert first.begin < second.begin < second.end < first.end
    assert store.load(tmp_path).faults == record.faults


def test_a_fault_is_healed_where_its_step_ends_in_error_or_by_ctrl_c(
    faults: Faults, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    def error() -> None:
        raise RuntimeError("something")

    def ctrl_c() -> None:
        raise KeyboardInterrupt

    for end, verdict in ((error, "error"), (ctrl_c, "interrupted")):
        fault = library.partition("machine1", "machine2")
        record = play(scenario_of(fault, end=end), lab, tmp_path / verdict)
        assert record.verdict == verdict
        assert [one.healed for one in record.faults] == ["step"]
        assert answered(two_hosts[0], two_hosts[1]) == 5


def test_a_step_that_takes_longer_than_its_fault_is_an_error(
    faults: Faults, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    def until_it_is_over() -> None:
        wait_for("the timer", lambda: not faults.listed(), 30)

    fault = library.partition("machine1", "machine2")
    record = play(scenario_of(fault, seconds=5, end=until_it_is_over), lab, tmp_path)
    assert [one.healed for one in record.faults] == ["timer"]
    assert "fault partition healed after 5 s, before the step was done" in record.steps[0].reason


def test_a_run_notes_the_faults_that_were_made_by_hand_before(
    faults: Faults, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    faults.make(library.partition("machine2"), LONG)
    record = play(scenario_of(), lab, tmp_path)
    words = "no packet passes between machine2 and machine1"
    assert record.notes == [f"There was a fault when this run began: {words}."]
