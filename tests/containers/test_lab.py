"""The main job on machines that are containers: the lab of the book, from nothing to nothing.

One lab is taken through its life, in this order.
"""

from __future__ import annotations

import json
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.learning import learning
from tests.containers.outer import INV, Lab, Outer, container

READY = [("running", "ready (leader)"), ("running", "ready")]
# What somebody else has in the same engine. Vagrant takes networks of such names for its own.
NETWORK, VOLUME = "vagrant_network_10.5.0.0_24", "somebodys-data"


@pytest.fixture(scope="module")
def before(outer: Outer) -> dict[str, list[str]]:
    """What the engine had before the lab: things of somebody else."""
    outer.docker("network", "create", "--subnet", "10.5.0.0/24", NETWORK)
    outer.docker("volume", "create", VOLUME)
    return outer.belongings()


@pytest.fixture(scope="module")
def lab(
    outer: Outer, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    made = Lab(outer, tmp_path_factory.mktemp("book"))
    yield made
    made.inv("destroy")


def test_a_dry_run_names_the_machines_and_makes_nothing(
    lab: Lab, before: dict[str, list[str]]
) -> None:
    said = lab.must("up", "--dry-run")
    assert "provider docker: named in lab.toml" in said
    assert "machine2: would be made: 1 CPU, 1024 MiB, 192.168.56.12" in said
    assert lab.outer.belongings() == before


def test_ctrl_c_ends_up_in_order(lab: Lab) -> None:
    assert lab.ended_at("up", "waiting for SSH", signal.SIGINT) == 130


@pytest.mark.parametrize("moment", ["starting Vagrant", "waiting for SSH", "logging in"])
def test_up_is_killed(lab: Lab, moment: str) -> None:
    assert lab.ended_at("up", moment, signal.SIGKILL) == -signal.SIGKILL


def test_up_goes_on_and_brings_two_machines_into_one_swarm(lab: Lab) -> None:
    said = lab.must("up")
    assert "is up: 2 machines" in said
    assert "root in a machine is as good as root on the host of the Docker engine" in said
    assert len(lab.nodes()) == 2
    assert lab.states() == READY


def test_a_second_up_changes_nothing_and_calls_no_vagrant(lab: Lab) -> None:
    nodes, log = lab.nodes(), lab.vagrant_log
    lab.must("up")
    assert lab.nodes() == nodes
    assert lab.vagrant_log == log


def test_the_machines_know_each_other_by_name(lab: Lab) -> None:
    """A container's /etc/hosts is a mount of its own, which cannot be replaced."""
    for name, address in (("machine1", "192.168.56.11"), ("machine2", "192.168.56.12")):
        for machine in ("machine1", "machine2"):
            assert lab.on(machine, f"getent ahostsv4 {name}").split()[0] == address


def test_no_machine_is_privileged_and_sshd_is_published_on_loopback_alone(lab: Lab) -> None:
    for machine in ("machine1", "machine2"):
        settings = container(lab.outer, f"swarmrig-book_{machine}")
        assert settings["Privileged"] is False
        assert sorted(settings["CapAdd"]) == ["NET_ADMIN", "SYS_ADMIN"]  # type: ignore[call-overload]
        bindings: dict[str, list[dict[str, str]]] = settings["PortBindings"]  # type: ignore[assignment]
        assert {one["HostIp"] for bound in bindings.values() for one in bound} == {"127.0.0.1"}


def test_the_key_that_logs_in_is_the_labs_own(lab: Lab) -> None:
    key = lab.state / "machine_key"
    assert key.stat().st_mode & 0o077 == 0
    authorized = lab.on("machine1", "cat ~/.ssh/authorized_keys").splitlines()
    public = (lab.state / "machine.env").read_text().strip().partition("=")[2]
    assert authorized == [public]


def test_the_lock_names_the_image_by_its_digest(lab: Lab) -> None:
    ((place, entry),) = json.loads((lab.folder / "swarmrig.lock").read_text())["labs"][
        "book"
    ].items()
    assert place.startswith("docker/")
    image = f"{entry['box']['name']}:{entry['box']['version']}"
    digest = lab.outer.docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    assert entry["box"]["checksum"] == digest
    assert {"vagrant", "docker", "swarmrig"} <= set(entry["tools"])
    assert "swarmrig.lock" not in lab.must("up")


def test_another_engine_than_the_locked_one_is_told(lab: Lab) -> None:
    lock = lab.folder / "swarmrig.lock"
    text = lock.read_text()
    ((_, entry),) = json.loads(text)["labs"]["book"].items()
    lock.write_text(text.replace(entry["engines"]["machine1"], "1.2.3"))
    assert "differs from swarmrig.lock: Docker on machine1: locked 1.2.3" in lab.must("up")
    lab.must("lock", "--update")
    assert lock.read_text() == text


def test_the_exercise_passes_and_names_what_the_kernel_lacks(lab: Lab) -> None:
    said = lab.must("scenario", "overlay")
    record = json.loads(sorted(lab.folder.glob("reports/*/*/report.json"))[-1].read_text())
    skipped = [e for step in record["steps"] for e in step["expectations"] if e["passed"] is None]
    assert {one["layer"] for one in skipped} <= {"virtual address"}
    assert all(f"skipped: {one['skipped']}" in said for one in skipped)
    assert any("share one kernel" in note for note in record["notes"])


def test_memory_and_cpus_are_changed_by_a_restart_of_the_machine(lab: Lab) -> None:
    nodes, shipped = lab.nodes(), lab.file.read_text()
    lab.file.write_text(shipped + "[machines]\nmemory = 1536\n")
    said = lab.must("up")
    assert "machine1: memory 1024 → 1536: applied by restarting the machine" in said
    for machine in ("machine1", "machine2"):
        settings = container(lab.outer, f"swarmrig-book_{machine}")
        assert settings["Memory"] == 1536 << 20
    assert lab.nodes() == nodes
    assert lab.states() == READY


def test_a_machine_that_reboots_is_brought_back(lab: Lab) -> None:
    nodes = lab.nodes()
    lab.inv("ssh", "machine2", "--command", "sudo systemctl reboot")
    lab.outer.docker("wait", "swarmrig-book_machine2")
    assert lab.states()[1][0] == "stopped"
    # The engine writes a container's /etc/hosts again when it starts.
    assert "machine2: enter machine1, machine2 in /etc/hosts" in lab.must("up")
    assert lab.nodes() == nodes
    assert lab.states() == READY


def test_a_power_cut_of_the_host_keeps_disks_images_and_the_swarm(lab: Lab) -> None:
    nodes = lab.nodes()
    lab.outer.power_cut()
    assert [state for state, _ in lab.states()] == ["stopped", "stopped"]
    said = lab.must("up")
    assert "load swarmrig/busybox" not in said
    assert lab.nodes() == nodes
    assert lab.states() == READY


def test_logs_hold_what_the_engine_says_of_the_lab_and_no_key(lab: Lab) -> None:
    archive = lab.folder / "logs.tar.gz"
    lab.must("logs", "--output", str(archive))
    with tarfile.open(archive) as tar:
        files = {m.name: tar.extractfile(m).read().decode() for m in tar if m.isfile()}  # type: ignore[union-attr]
    said = next(text for name, text in files.items() if name.endswith("docker.txt"))
    assert '"name": "swarmrig-book_machine1"' in said
    assert not [name for name, text in files.items() if "PRIVATE KEY" in text]


def test_name_servers_that_do_not_answer_are_left_out(lab: Lab) -> None:
    """Else each task's start waits for the look-up of a registry."""
    lab.on("machine1", "sudo systemctl start swarmrig-resolver")
    assert lab.on("machine1", "cat /etc/resolv.conf").strip() == ""


def test_a_lab_of_the_same_name_in_another_folder_is_refused(lab: Lab, tmp_path: Path) -> None:
    twin = Lab(lab.outer, tmp_path, more='[network]\nsubnet = "192.168.57.0/24"\n')
    # As it is for another user, whose list of labs is another one.
    done = lab.outer.run(
        [INV, "up"], SWARMRIG_LAB=str(twin.file), SWARMRIG_REGISTRY=str(tmp_path / "labs")
    )
    assert done.returncode == 2
    assert f"of a lab 'book' in {lab.state}" in done.stderr
    assert lab.states() == READY


def test_a_network_that_docker_has_is_refused(outer: Outer, tmp_path: Path) -> None:
    other = Lab(outer, tmp_path, "other", '[network]\nsubnet = "10.5.0.0/16"\n')
    done = other.inv("up")
    assert done.returncode == 2
    assert "network.subnet: 10.5.0.0/16 " in done.stderr


def test_a_port_of_this_host_leads_to_a_machine_and_a_taken_one_is_refused(
    lab: Lab, tmp_path: Path
) -> None:
    network = '[network]\nsubnet = "192.168.57.0/24"\n'
    machines = '[[machines]]\nname = "web"\nforward = [{{ guest = 22, host = {} }}]\n'
    settings = "[provider_settings.docker]\nvagrant_machine = 'x'\n"
    more = network + '[[machines]]\nname = "other"\n' + machines
    ports = Lab(lab.outer, tmp_path, "ports", more.format(8022))
    assert "port 127.0.0.1:8022 → 22" in ports.must("up", "--dry-run")
    twice = ports.file.read_text()
    ports.file.write_text(twice + settings)
    assert "settings of docker for all machines: vagrant_machine" in ports.must("up", "--dry-run")
    ports.file.write_text(twice)
    ports.must("up")
    hear = "exec 3<>/dev/tcp/127.0.0.1/8022; head -n 1 <&3"
    assert lab.outer.run(["bash", "-c", hear]).stdout.startswith("SSH-2.0-")
    # The machine itself holds it: this is no reason to refuse a second `up`.
    ports.must("up")
    ports.file.write_text(ports.file.read_text().replace("8022", "8023"))
    edited = ports.inv("up")
    assert edited.returncode == 2
    assert "inv rebuild --cold" in edited.stderr

    (tmp_path / "twin").mkdir()
    twin = Lab(lab.outer, tmp_path / "twin", "twin", more.replace("57", "58").format(8022))
    for words in (["up", "--dry-run"], ["up"]):
        refused = twin.inv(*words)
        assert refused.returncode == 2
        assert "machines[2].forward[1]: port 8022 of 127.0.0.1 is in use" in refused.stderr
    ports.must("destroy")


def test_two_labs_run_side_by_side(lab: Lab, tmp_path: Path) -> None:
    other = Lab(lab.outer, tmp_path, "other", '[network]\nsubnet = "192.168.57.0/24"\n')
    other.must("up")
    assert other.states() == READY
    assert lab.states() == READY
    other.must("destroy")
    assert lab.states() == READY


def test_a_rebuild_recreates_the_machines_and_says_so(lab: Lab) -> None:
    nodes = lab.nodes()
    said = lab.must("rebuild")
    assert "recreating the lab: Provider docker keeps no checkpoints" in said
    assert not set(lab.nodes()) & set(nodes)
    assert lab.states() == READY


def test_the_page_catches_up_rebuilds_the_lab_and_begins_again(lab: Lab) -> None:
    nodes = lab.nodes()
    create = "docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1"
    with learning(lab, "overlay") as page, page.board() as board, page.terminal("machine1") as one:
        board.until(lambda news: "look" in news and news["look"]["next"] == "5")
        board.ask("catch-up", "8")
        lines = board.finished()
        why = "Steps that are done are kept: Provider docker keeps no checkpoints"
        assert lines[0]["who"].startswith(why)
        assert ("step 7", "done") in [(line["who"], line["state"]) for line in lines]
        board.until(lambda news: news["look"]["next"] == "8")
        one.ready()
        one.types("docker service ls --format 'there is {{.Name}}'")
        one.until(lambda it: "there is alpine-overlay1" in it.printed)

        board.ask("rebuild")
        lines = board.finished()
        shown = {line["who"] for work in board.work for line in work["lines"]}
        assert any(who.startswith("recreating the lab: Provider docker keeps") for who in shown)
        assert {"machine1", "machine2"} <= shown
        # It was shown while it was done, and not all of it at the end.
        assert len([work for work in board.work if not work["over"]]) > 5
        board.until(lambda news: news["look"]["next"] == "5" and news["trouble"] is None)
        assert board.done() == ["1", "2", "3", "4"]
        one.ready()
        one.types(create)
        board.until(lambda _: {"5", "6"} <= set(board.done()))
        one.types("docker network rm overlaynet1 && echo gone-$((40+2))")
        one.until(lambda it: "gone-42" in it.printed)
        # What was done stays done, until it is forgotten.
        assert {"5", "6"} <= set(board.done())
        board.ask("reset")
        board.finished()
        board.until(lambda news: news["look"]["next"] == "5")
        assert board.done() == ["1", "2", "3", "4"]
        one.types("exit")
        one.until(lambda it: it.state == "ended")
    assert not set(lab.nodes()) & set(nodes)
    assert lab.states() == READY


def test_a_lab_whose_state_folder_is_lost_is_destroyed_by_its_labels(
    lab: Lab, before: dict[str, list[str]]
) -> None:
    kept = lab.folder / "moved"
    lab.state.rename(kept)
    said = lab.must("destroy")
    assert "removed container swarmrig-book_machine1" in said
    assert lab.outer.belongings() == before
    kept.rename(lab.state)


def test_destroy_leaves_nothing_of_the_lab_and_all_of_others(
    lab: Lab, before: dict[str, list[str]]
) -> None:
    lab.must("destroy")
    lab.must("up")
    lab.must("destroy")
    assert lab.outer.belongings() == before
    assert not lab.state.exists()


def test_a_destroy_that_is_killed_is_gone_on_with_though_lab_toml_is_gone(
    lab: Lab, before: dict[str, list[str]]
) -> None:
    lab.must("up")
    assert lab.ended_at("destroy", "removing it", signal.SIGKILL) == -signal.SIGKILL
    lab.file.rename(lab.folder / "moved.toml")
    said = lab.must("destroy")
    assert "removed" in said
    assert "kept: " in said
    assert lab.outer.belongings() == before
    assert not (lab.folder / ".swarmrig").exists()
    assert (lab.folder / "swarmrig.lock").exists()
    (lab.folder / "moved.toml").rename(lab.file)
    assert "was not there" in lab.must("destroy")
