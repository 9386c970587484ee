"""Hosts that existed before: told what would be done, changed by that alone, and set back to it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.cli import nodes as verbs
from provision.engine import images
from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import destroy, dry_run, up
from provision.support.errors import MachineError, MachinesError, UserError
from provision.support.progress import Progress
from scenarios.overlay import overlay
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_provision import nodes
from tests.support.killed import killed_before
from tests.support.play import play
from tests.support.progress import quiet

_LOOK = r"""
echo packages; dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | grep ^ii
echo groups; cat /etc/group /etc/gshadow
echo images; docker image ls --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' 2>/dev/null
echo containers; docker ps -a --no-trunc --format '{{.ID}} {{.State}}' 2>/dev/null
echo networks; docker network ls --no-trunc --format '{{.ID}} {{.Name}}' 2>/dev/null
echo swarm; docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}' 2>/dev/null
echo units; systemctl is-active docker docker.socket containerd; systemctl is-enabled docker
echo links; ip -o link | cut -d: -f2 | grep -v veth
echo files; ls /var/lib/docker /var/lib/containerd /etc/docker 2>/dev/null | head -40
"""


def look(hosts: list[Host]) -> list[str]:
    """All of the hosts that `up` could change, a line for each thing."""
    return [
        f"{host.name} {line}"
        for host in hosts
        for line in host.exec("sh", "-c", _LOOK, check=False).stdout.splitlines()
    ]


def wait_for_swarm(host: Host) -> None:
    """Until Docker has made all that it makes by itself in a new swarm."""
    settled = (
        "docker network inspect ingress docker_gwbridge && "
        'if [ -n "$(docker service ls -q)" ]; then docker ps | grep -q theirs.1; fi'
    )
    Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.3), retry=retry_if_result(bool))(
        lambda: host.exec("sh", "-c", settled, check=False).returncode
    )


def theirs(host: Host) -> None:
    """A swarm of somebody else's on the host, with a service of that name."""
    host.exec("docker", "swarm", "init", "--advertise-addr", host.address)
    create = "service create -t --name theirs --no-resolve-image"
    host.exec("docker", *create.split(), roots.TAG)
    wait_for_swarm(host)


def told() -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    return Progress(Console(file=out, width=300)), out


def done(lab: Lab) -> dict[str, list[str]]:
    """What the journal has of each host, in words and in order."""
    journal = Journal(lab.state / "journal.json")
    return {name: [entry.what for entry in journal.of(name)] for name in journal.hosts()}


def planned(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("  - "):
            found[name].append(line[4:])
        elif line.endswith(":"):
            name = line[:-1]
            found[name] = []
    return found


@pytest.fixture
def bare(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine5", "machine6", docker=False)
    yield hosts
    fabric.remove(*hosts)


@pytest.fixture
def own(fabric: Fabric) -> Iterator[list[Host]]:
    """Hosts with a Docker of their own, that has an image and runs a container."""
    hosts = fabric.add("machine7", "machine8")
    for host in hosts:
        host.load_image()
        host.exec("docker", "run", "-d", "--name", "theirs", roots.TAG, "sleep", "1000000")
    yield hosts
    fabric.remove(*hosts)


def test_bare_hosts_are_told_what_comes_get_just_that_and_are_set_back_to_what_they_were(
    bare: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(bare, user="plain", archive=True)
    before = look(bare)

    foretold = dry_run.dry_run(lab, quiet())
    assert look(bare) == before
    assert not lab.state.exists()
    assert "apt-get -q" in foretold
    assert planned(foretold) == {
        "machine5": [
            "install Docker, tcpdump with apt-get",
            "put plain into the group docker",
            f"load busybox-test.tar ({roots.TAG})",
            "start the swarm",
        ],
        "machine6": [
            "install Docker, tcpdump with apt-get",
            "put plain into the group docker",
            f"load busybox-test.tar ({roots.TAG})",
            "join the swarm of machine5 as a worker",
        ],
    }

    up.up(lab, quiet())
    assert done(lab) == planned(foretold)
    again = dry_run.dry_run(lab, quiet())
    assert again.splitlines()[:2] == ["machine5: nothing to do", "machine6: nothing to do"]

    progress, out = told()
    destroy.destroy(lab, progress)
    assert "machine5: install Docker, tcpdump with apt-get (--purge undoes it)" in out.getvalue()
    for host in bare:
        assert host.exec("docker", "image", "ls", "-q").stdout == ""
        assert "docker_gwbridge" not in host.exec("docker", "network", "ls").stdout
        assert host.exec("docker", "info", "-f", "{{.Swarm.LocalNodeState}}").stdout == "inactive\n"

    removed = destroy.destroy(lab, quiet(), purge=True)
    assert look(bare) == before
    assert not lab.state.exists()
    assert any("docker.io" in what and what.endswith("on machine6") for what in removed)
    assert destroy.destroy(lab, quiet(), purge=True) == []


def test_what_a_host_had_before_stays_whatever_is_purged(own: list[Host], lab_of: Labs) -> None:
    lab = lab_of(own)
    before = look(own)
    up.up(lab, quiet())
    assert look(own) != before
    destroy.destroy(lab, quiet(), purge=True)
    assert look(own) == before


def test_an_engine_with_what_is_not_the_labs_stays_and_one_that_is_gone_keeps_nothing_from_going(
    bare: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(bare, archive=True)
    up.up(lab, quiet())
    bare[0].exec("docker", "volume", "create", "precious")
    # Here somebody has removed Docker since.
    bare[1].exec("systemctl", "stop", "docker.socket", "docker", "containerd")
    bare[1].exec("apt-get", "purge", "-y", "-q", "docker.io", "containerd", "runc")
    progress, out = told()
    destroy.destroy(lab, progress, purge=True)
    assert "left Docker on machine5: it has what is not the lab's: volume precious" in (
        out.getvalue()
    )
    assert bare[0].exec("docker", "volume", "ls", "-q").stdout == "precious\n"
    assert bare[1].exec("sh", "-c", "command -v tcpdump", check=False).returncode != 0

    bare[0].exec("docker", "volume", "rm", "precious")
    destroy.destroy(lab, quiet(), purge=True)
    assert bare[0].exec("sh", "-c", "command -v docker", check=False).returncode != 0
    assert not lab.state.exists()


def test_what_was_cut_off_in_the_middle_is_undone_too(
    own: list[Host], lab_of: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in own:
        host.exec("docker", "rm", "-f", "theirs")
        host.exec("docker", "image", "rm", roots.TAG)
    lab = lab_of(own, archive=True)
    before = look(own)
    load = images.load

    def load_and_die(*args: object) -> None:
        load(*args)  # type: ignore[arg-type]
        raise MachineError("killed")

    monkeypatch.setattr(images, "load", load_and_die)
    with pytest.raises(MachinesError, match="killed"):
        up.up(lab, quiet())
    assert look(own) != before
    states = [e.state for h in own for e in Journal(lab.state / "journal.json").of(h.name)]
    assert states == ["begun", "begun"]
    destroy.destroy(lab, quiet())
    assert look(own) == before


def test_a_swarm_that_was_there_before_is_refused_or_used_and_never_broken_up(
    own: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(own)
    theirs(own[0])
    before = look(own)
    for attempt in (dry_run.dry_run, up.up):
        with pytest.raises(MachineError, match="machine7: in a swarm already") as caught:
            attempt(lab, quiet())
        assert "--adopt-swarm" in caught.value.advice
        assert look(own) == before

    foretold = dry_run.dry_run(lab, quiet(), adopt_swarm=True)
    up.up(lab, quiet(), adopt_swarm=True)
    assert done(lab) == planned(foretold)
    assert len(nodes(own[0])) == 2
    # It is known from now on, without the flag.
    up.up(lab, quiet())

    progress, out = told()
    destroy.destroy(lab, progress)
    assert "left machine7 in its swarm: it was in it before" in out.getvalue()
    assert [line.split()[1] for line in nodes(own[0])] == ["machine7"]
    assert own[0].exec("docker", "service", "ls", "-q").stdout
    assert look(own[1:]) == [line for line in before if line.startswith("machine8")]


def test_what_a_killed_scenario_has_left_in_somebody_elses_swarm_goes_with_the_lab(
    own: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of(own)
    theirs(own[0])
    before = look(own)
    up.up(lab, quiet(), adopt_swarm=True)
    with killed_before("9") as end:
        play(overlay, lab, tmp_path, before=end)
    there = own[0].exec("docker", "service", "ls", "--format", "{{.Name}}").stdout.split()
    assert set(there) == {"theirs", *overlay.services}

    removed = destroy.destroy(lab, quiet())
    assert {f"service {name}" for name in overlay.services} <= set(removed)
    assert {f"network {name}" for name in overlay.networks} <= set(removed)
    assert own[0].exec("docker", "service", "ls", "--format", "{{.Name}}").stdout == "theirs\n"
    # What its nodes have of it still goes a moment later.
    Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.5), retry=retry_if_result(bool))(
        lambda: look(own) != before
    )


def test_what_somebody_else_has_made_in_a_killed_scenarios_name_stays(
    own: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of(own)
    theirs(own[0])
    up.up(lab, quiet(), adopt_swarm=True)
    with killed_before("9") as end:
        play(overlay, lab, tmp_path, before=end)
    first = overlay.services[0]
    own[0].exec("docker", "service", "rm", first)
    create = f"docker service create -q -d -t --name {first} --no-resolve-image {roots.TAG}"
    made = own[0].exec("sh", "-c", create).stdout.strip()

    # Neither the next run nor destroy takes it for the lab's.
    with pytest.raises(UserError, match=f"already has service {first}, not created by this lab"):
        play(overlay, lab, tmp_path / "again")
    progress, out = told()
    removed = destroy.destroy(lab, progress)
    assert f"left service {first} in the swarm of machine7: not created by this lab" in (
        out.getvalue()
    )
    assert f"network {overlay.networks[0]}" in removed
    assert own[0].exec("docker", "service", "inspect", "-f", "{{.ID}}", first).stdout == f"{made}\n"
    names = own[0].exec("docker", "service", "ls", "--format", "{{.Name}}").stdout.split()
    assert sorted(names) == sorted(["theirs", first])


def test_an_adopted_swarms_nodes_are_its_owners(own: list[Host], lab_of: Labs) -> None:
    lab = lab_of(own)
    theirs(own[0])
    up.up(lab, quiet(), adopt_swarm=True)
    for verb in ("drain", "activate", "promote", "demote"):
        with pytest.raises(UserError, match="machine7 is in an adopted swarm"):
            verbs.change(str(lab.file), verb, "machine7")
    with pytest.raises(UserError, match="machine8 has joined an adopted swarm"):
        verbs.change(str(lab.file), "promote", "machine8")
    verbs.change(str(lab.file), "drain", "machine8")

    def node(form: str) -> str:
        return own[0].exec("docker", "node", "inspect", "-f", form, "machine8").stdout.strip()

    assert node("{{.Spec.Availability}}") == "drain"
    verbs.change(str(lab.file), "activate", "machine8")
    assert node("{{.Spec.Availability}}") == "active"
    # What its owner has written on a node stays.
    own[0].exec("docker", "node", "update", "--label-add", "theirs=1", "machine8")
    up.up(lab, quiet())
    assert node("{{.Spec.Labels.theirs}}") == "1"


def test_a_host_in_another_swarm_is_never_taken_out_of_it(own: list[Host], lab_of: Labs) -> None:
    for host in own:
        host.exec("docker", "swarm", "init", "--advertise-addr", host.address)
        wait_for_swarm(host)
    before = look(own)
    with pytest.raises(MachineError, match="machine8: in another swarm than machine7"):
        up.up(lab_of(own), quiet(), adopt_swarm=True)
    assert look(own) == before


def test_a_login_that_sudo_asks_for_a_password_is_refused_before_anything_is_changed(
    bare: list[Host], lab_of: Labs
) -> None:
    before = look(bare)
    with pytest.raises(MachinesError, match="asked may not use sudo without being asked") as caught:
        up.up(lab_of(bare, user="asked", archive=True), quiet())
    assert set(caught.value.failures) == {"machine5", "machine6"}
    assert "asked ALL=(ALL) NOPASSWD:ALL" in caught.value.report()
    assert look(bare) == before


def test_an_engine_of_another_version_is_not_replaced(own: list[Host], lab_of: Labs) -> None:
    before = look(own)
    lab = lab_of(own, more='[docker]\nversion = "28.2.2"')
    with pytest.raises(MachinesError, match="is not replaced"):
        up.up(lab, quiet())
    assert look(own) == before


def test_a_host_that_fails_keeps_no_other_from_its_docker_and_the_swarm_from_being_formed(
    bare: list[Host], lab_of: Labs
) -> None:
    bare[0].exec("mv", "/srv/apt", "/srv/away")
    lab = lab_of(bare, archive=True)
    with pytest.raises(MachinesError, match="The swarm was left as it is") as caught:
        up.up(lab, quiet())
    assert list(caught.value.failures) == ["machine5"]
    assert caught.value.succeeded == ["machine6"]
    assert (
        roots.TAG
        in bare[1].exec("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout
    )
    assert bare[1].exec("docker", "info", "-f", "{{.Swarm.LocalNodeState}}").stdout == "inactive\n"
    bare[0].exec("mv", "/srv/away", "/srv/apt")
    up.up(lab, quiet())
    assert len(nodes(bare[0])) == 2


def test_a_host_that_cannot_be_reached_at_destroy_is_named_and_undone_later(
    own: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(own)
    before = look(own)
    up.up(lab, quiet())
    own[1].link("down")
    try:
        with pytest.raises(MachinesError, match="machine8: no SSH") as caught:
            destroy.destroy(lab, quiet())
    finally:
        own[1].link("up")
    assert "inv destroy resumes from here" in str(caught.value)
    assert look(own[:1]) == [line for line in before if line.startswith("machine7")]
    destroy.destroy(lab, quiet())
    assert look(own) == before


def test_a_host_that_is_not_in_the_lab_any_more_is_not_forgotten(
    own: list[Host], lab_of: Labs
) -> None:
    before = look(own)
    lab = lab_of(own)
    up.up(lab, quiet())
    whole = lab.file.read_text()
    other = whole.replace('name = "machine8"', 'name = "other"')
    lab.file.write_text(other)
    lab.files.applied.write_text(other)
    with pytest.raises(MachineError, match=r"machine8: join .* \(put machine8 back into lab.toml"):
        destroy.destroy(load.load(lab.file), quiet())
    # The definition that was applied is enough to undo it.
    lab.files.applied.write_text(whole)
    destroy.destroy(load.load(lab.file), quiet())
    assert look(own) == before


def test_a_setting_of_the_engine_is_taken_out_again_and_the_others_stay(
    own: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(own)
    up.up(lab, quiet())
    file = "/etc/docker/daemon.json"
    before = json.loads(own[0].exec("cat", file).stdout)
    text = json.dumps({**before, "log-level": "warn"})
    own[0].exec("sh", "-c", f"echo '{text}' > {file}")
    change = Change("machine7", "setting", "set log-level", ("log-level", "warn"))
    with Journal(lab.state / "journal.json").writing(change):
        pass
    removed = destroy.destroy(lab, quiet())
    assert f"log-level from {file} on machine7" in removed
    assert json.loads(own[0].exec("cat", file).stdout) == before
    assert own[0].exec("docker", "version", check=False).returncode == 0


def test_the_hosts_know_each_other_by_name_and_forget_it_with_the_lab(
    own: list[Host], lab_of: Labs
) -> None:
    file = "/etc/hosts"
    # Each knows itself as Debian has it; the second one knows another machine by the first's name.
    texts = ("127.0.1.1 machine7", "127.0.1.1 machine8\\n10.9.9.9 machine7")
    for host, text in zip(own, texts, strict=True):
        host.exec("sh", "-c", f"printf '{text}' > {file}; chmod 640 {file}")
    # Not its time: a file that is written back is a new one.
    ls = f"stat -c '%A %U %G %s' {file}; cat {file}"
    before = [host.exec("sh", "-c", ls).stdout for host in own]
    lab = lab_of(own)
    foretold = dry_run.dry_run(lab, quiet())
    assert planned(foretold)["machine7"][0] == "enter machine8 in /etc/hosts"
    assert "machine8: the name machine7 means 10.9.9.9 there, not 10.77.0.7" in foretold

    progress, out = told()
    up.up(lab, progress)
    assert done(lab) == planned(foretold)
    assert "machine8: the name machine7 means 10.9.9.9 there" in out.getvalue()
    meaning = own[0].exec("getent", "ahostsv4", "machine8").stdout.split()[0]
    assert meaning == "10.77.0.8"
    assert own[1].exec("getent", "ahostsv4", "machine7").stdout.split()[0] == "10.9.9.9"
    assert planned(dry_run.dry_run(lab, quiet())) == {}

    removed = destroy.destroy(lab, quiet())
    assert "the lab's names from /etc/hosts on machine7" in removed
    assert [host.exec("sh", "-c", ls).stdout for host in own] == before


def test_settings_of_the_engine_are_merged_edited_refused_and_taken_out_exactly(
    own: list[Host], lab_of: Labs
) -> None:
    file = "/etc/docker/daemon.json"
    before = [host.exec("cat", file).stdout for host in own]
    looked = look(own)

    def driver() -> str:
        return own[1].exec("docker", "info", "-f", "{{.LoggingDriver}}").stdout.strip()

    def started() -> str:
        return own[0].exec("systemctl", "show", "-P", "MainPID", "docker").stdout

    lab = lab_of(own, more='[docker.settings]\nlog-driver = "local"')
    foretold = dry_run.dry_run(lab, quiet())
    assert planned(foretold)["machine7"][0] == f"set log-driver in {file}, restart Docker"
    up.up(lab, quiet())
    assert done(lab) == planned(foretold)
    assert driver() == "local"
    engine = started()
    up.up(lab, quiet())
    assert started() == engine

    # A value that no engine takes, and one that this one does not start with.
    for bad in ('log-level = "loud"', 'storage-driver = "stone"'):
        with pytest.raises(MachinesError, match=r"Docker does not (accept|start with)") as caught:
            up.up(lab_of(own, more=f"[docker.settings]\n{bad}"), quiet())
        assert "loud" in str(caught.value) or "stone" in str(caught.value)
        assert driver() == "local"

    progress, out = told()
    up.up(lab_of(own, more="[docker.settings]\nmax-concurrent-downloads = 2"), progress)
    assert "docker.settings: log-driver, max-concurrent-downloads changed" in out.getvalue()
    assert driver() == "json-file"
    destroy.destroy(lab, quiet())
    assert [host.exec("cat", file).stdout for host in own] == before
    # The container of its owner, which has no restart policy, runs again as well.
    # An engine that starts makes its own bridge again, with another id.
    assert [line for line in look(own) if "bridge" not in line] == [
        line for line in looked if "bridge" not in line
    ]


def test_a_swarm_is_started_as_lab_toml_says_and_keeps_it(own: list[Host], lab_of: Labs) -> None:
    table = '[swarm]\naddress_pool = ["10.20.0.0/16"]\nsubnet_size = 26\ndata_path_port = 4790'
    lab = lab_of(own, more=table)
    foretold = dry_run.dry_run(lab, quiet())
    up.up(lab, quiet())
    assert done(lab) == planned(foretold)
    form = "{{json .Swarm.Cluster}}"
    cluster = json.loads(own[0].exec("docker", "info", "-f", form).stdout)
    assert cluster["DefaultAddrPool"] == ["10.20.0.0/16"]
    assert (cluster["SubnetSize"], cluster["DataPathPort"]) == (26, 4790)
    own[0].exec("docker", "network", "create", "-d", "overlay", "net")
    subnet = own[0].exec(
        "docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "net"
    )
    assert subnet.stdout.startswith("10.20.0.")
    assert subnet.stdout.strip().endswith("/26")
    own[0].exec("docker", "network", "rm", "net")

    with pytest.raises(UserError, match=r"swarm.data_path_port 4790 → not set") as caught:
        up.up(lab_of(own, more=table.replace("data_path_port = 4790", "")), quiet())
    assert "inv destroy; then inv up" in caught.value.advice
    destroy.destroy(lab, quiet())


def test_an_adopted_swarm_that_was_started_otherwise_is_told_and_used(
    own: list[Host], lab_of: Labs
) -> None:
    theirs(own[0])
    lab = lab_of(own, more="[swarm]\ndata_path_port = 4790")
    foretold = dry_run.dry_run(lab, quiet(), adopt_swarm=True)
    assert "machine7: its swarm has data path port 4789, not data path port 4790" in foretold
    up.up(lab, quiet(), adopt_swarm=True)
    assert len(nodes(own[0])) == 2
    # What is not the lab's to change is no reason to recreate it.
    up.up(lab_of(own, more="[swarm]\ndata_path_port = 4789"), quiet(), adopt_swarm=True)
    destroy.destroy(lab, quiet())


def test_a_script_of_the_labs_own_runs_once_and_again_when_it_changes(
    own: list[Host], lab_of: Labs
) -> None:
    more = 'provision = "setup.sh"'
    file = own[0].home / "setup.sh"
    file.parent.mkdir(exist_ok=True)
    file.write_text("docker version > /ran && echo $SWARMRIG_MACHINE $(id -u) >> /ran.of")
    lab = lab_of(own, more=more)
    foretold = dry_run.dry_run(lab, quiet())
    assert planned(foretold)["machine7"][0] == "run setup.sh"
    up.up(lab, quiet())
    assert done(lab) == planned(foretold)
    up.up(lab, quiet())
    assert own[1].exec("cat", "/ran.of").stdout == "machine8 0\n"

    file.write_text('echo of $SWARMRIG_MACHINE; [ "$SWARMRIG_MACHINE" = machine7 ]')
    progress, out = told()
    with pytest.raises(MachinesError) as caught:
        up.up(lab_of(own, more=more), progress)
    assert "changed in lab.toml: setup.sh has changed: run on the machines" in out.getvalue()
    assert list(caught.value.failures) == ["machine8"]
    assert "machine8: setup.sh ended with 1: of machine8" in str(caught.value)
    assert (lab.state / "scripts" / "machine7-setup.sh.log").read_text() == "of machine7\n"
    file.write_text("true")
    up.up(lab_of(own, more=more), quiet())
    assert planned(dry_run.dry_run(lab_of(own, more=more), quiet())) == {}

    progress, out = told()
    destroy.destroy(lab, progress)
    assert "left what setup.sh did on machine8: it is not undone" in out.getvalue()
    assert own[0].exec("ls", "/var/lib/swarmrig", check=False).returncode != 0


def test_a_journal_that_cannot_be_read_stops_everything(own: list[Host], lab_of: Labs) -> None:
    lab = lab_of(own)
    file = Path(lab.state / "journal.json")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"hosts": {"machine7": [{"kind": "magic", "what": ""}]}}))
    before = look(own)
    for attempt in (up.up, destroy.destroy):
        (lab.state / "lab.toml").write_text(lab.file.read_text())
        with pytest.raises(MachineError, match=r"journal\.json cannot be read"):
            attempt(lab, quiet())
    assert look(own) == before
