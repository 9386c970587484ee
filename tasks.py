"""The command line: one short task per verb. `inv --list` shows them, `inv --help up` one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Collection, Context, Exit, task

from provision.cli.errors import report_errors
from provision.support.lazy import lazily

if TYPE_CHECKING:
    from provision.cli import checkpoints, host, images, lockfile, nodes
    from provision.cli import lab as labs
    from provision.cli import logs as archives
    from provision.cli import status as overview
    from provision.lifecycle import rebuild as rebuilding
    from provision.lifecycle import running
    from scenarios.cli import compare as comparison
    from scenarios.cli import run as runs
else:
    # Each verb loads what it needs and nothing else, so that `inv --list` stays quick.
    archives = lazily("provision.cli.logs")
    checkpoints = lazily("provision.cli.checkpoints")
    comparison = lazily("scenarios.cli.compare")
    host = lazily("provision.cli.host")
    images = lazily("provision.cli.images")
    labs = lazily("provision.cli.lab")
    lockfile = lazily("provision.cli.lockfile")
    nodes = lazily("provision.cli.nodes")
    overview = lazily("provision.cli.status")
    rebuilding = lazily("provision.lifecycle.rebuild")
    running = lazily("provision.lifecycle.running")
    runs = lazily("scenarios.cli.run")

_LAB = {"lab": "the lab file (default: $SWARMRIG_LAB, else lab.toml)"}
_NODE = {**_LAB, "machine": "its name in lab.toml"}
_PARALLEL = {"parallel": "work on so many machines at a time (default: 20)"}


@task(
    help={
        **_LAB,
        **_PARALLEL,
        "dry-run": "tell every change it would make to each machine, and make none",
        "trust-new": "existing hosts: write down host keys that are not known yet, unasked",
        "adopt-swarm": "existing hosts: use the swarm that they are in already",
    }
)
@report_errors
def up(
    c: Context,
    lab: str = "",
    parallel: int = 0,
    dry_run: bool = False,
    trust_new: bool = False,
    adopt_swarm: bool = False,
) -> None:
    """Lab: boot the machines, install Docker, form the swarm; goes on where it was cut off."""
    labs.up(lab, parallel, trust_new, adopt_swarm, dry_run)


@task(help={**_LAB, "json": "as JSON", "watch": "again and again, until Ctrl-C"})
@report_errors
def status(c: Context, lab: str = "", json: bool = False, watch: bool = False) -> None:
    """Lab: machines, addresses, engines, nodes, networks, services."""
    overview.show(lab, json, watch)


@task(help={**_LAB, "machine": "its name", "command": "run this instead of a shell"})
@report_errors
def ssh(c: Context, machine: str, command: str = "", lab: str = "") -> None:
    """Lab: a shell on a machine."""
    raise Exit(code=labs.ssh(lab, machine, command))


@task(
    help={
        **_LAB,
        **_PARALLEL,
        "name": "the lab's name, where its file is gone, broken, or another's by now",
        "purge": "existing hosts: remove Docker as well, where `up` has installed it",
    }
)
@report_errors
def destroy(
    c: Context, lab: str = "", name: str = "", purge: bool = False, parallel: int = 0
) -> None:
    """Lab: remove all that `up` made, verified."""
    labs.destroy(lab, name, purge, parallel)


@task(help={**_LAB, "cold": "destroy and make anew, though there is a checkpoint"})
@report_errors
def rebuild(c: Context, lab: str = "", cold: bool = False) -> None:
    """Lab: as `up` had made it: from the checkpoint "ready" in seconds, else made anew."""
    labs.rebuild(lab, cold)


@task(help={**_LAB, "output": "the archive to write (default: beside the lab's reports)"})
@report_errors
def logs(c: Context, lab: str = "", output: str = "") -> None:
    """Lab: what a bug report needs, of all machines, in one archive without secrets."""
    archives.collect(lab, output)


@task(help={**_LAB, "update": "take what is there now; without a lab that is up, what comes next"})
@report_errors
def lock(c: Context, lab: str = "", update: bool = False) -> None:
    """Lab: what differs from swarmrig.lock, which keeps what the lab is made of."""
    lockfile.show(lab, update)


_CHECKPOINT = {**_LAB, "name": "the checkpoint's name"}


@task(help=_CHECKPOINT, name="save")
@report_errors
def checkpoint_save(c: Context, name: str, lab: str = "") -> None:
    """Lab: keep the state of all machines at one moment, to come back to."""
    checkpoints.save(lab, name)


@task(help=_LAB, name="list")
@report_errors
def checkpoint_list(c: Context, lab: str = "") -> None:
    """Lab: the checkpoints there are."""
    checkpoints.show(lab)


@task(help=_CHECKPOINT, name="restore")
@report_errors
def checkpoint_restore(c: Context, name: str, lab: str = "") -> None:
    """Lab: set all machines back to a checkpoint."""
    checkpoints.restore(lab, name)


@task(help=_CHECKPOINT, name="delete")
@report_errors
def checkpoint_delete(c: Context, name: str, lab: str = "") -> None:
    """Lab: delete a checkpoint."""
    checkpoints.delete(lab, name)


@task(
    help={
        **_LAB,
        "name": "the scenario (inv scenarios lists them)",
        "dry-run": "print the steps, touch no machine",
        "walk": "wait for Enter before each step",
        "grant": "a privilege for the plugin beyond the exercise's; can be repeated",
    },
    iterable=["grant"],
)
@report_errors
def scenario(
    c: Context,
    name: str,
    grant: list[str],
    lab: str = "",
    dry_run: bool = False,
    walk: bool = False,
) -> None:
    """Scenario: run one on the lab, and leave a report."""
    runs.scenario(running.opened, lab, name, dry_run, walk, grant)


@task(
    help={
        **_LAB,
        "name": "the scenario",
        "cold": "make the machines anew in between, not from the checkpoint",
        "grant": "a privilege for the plugin beyond the exercise's; can be repeated",
    },
    iterable=["grant"],
)
@report_errors
def reproduce(c: Context, name: str, grant: list[str], lab: str = "", cold: bool = False) -> None:
    """Scenario: run one, rebuild, run it again: is all equal, chance left out?"""
    runs.reproduce(running.opened, rebuilding.again(cold), lab, name, grant)


@task(help={"first": "a report's folder", "second": "another's"})
@report_errors
def same(c: Context, first: str, second: str) -> None:
    """Scenario: are two reports equal, chance left out?"""
    comparison.same(first, second)


@task(
    help={
        **_LAB,
        "first": "a report's folder, or a scenario (its newest run)",
        "second": "the other one",
        "to": "the folder to write to (default: beside the second report)",
    }
)
@report_errors
def compare(c: Context, first: str, second: str, lab: str = "", to: str = "") -> None:
    """Scenario: two runs side by side on one page, such as overlay and weave."""
    comparison.compare(lab, first, second, to)


@task
@report_errors
def scenarios(c: Context) -> None:
    """Scenario: list what there is."""
    runs.list_all()


@task(help={**_LAB, "scenario": "which scenario"}, name="lab")
@report_errors
def main_job(c: Context, lab: str = "", scenario: str = "overlay") -> None:
    """Scenario: the main job in one go: up, the scenario, its report."""
    labs.up(lab)
    runs.scenario(running.opened, lab, scenario)


@task(help={**_LAB, "json": "as JSON"}, name="ls")
@report_errors
def node_ls(c: Context, lab: str = "", json: bool = False) -> None:
    """Swarm: its nodes, with role, state, availability, and how many tasks run there."""
    nodes.show(lab, json)


@task(help=_NODE, name="drain")
@report_errors
def node_drain(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: move all tasks away from a machine, and wait until they run elsewhere."""
    nodes.change(lab, "drain", machine)


@task(help=_NODE, name="activate")
@report_errors
def node_activate(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: let a drained machine take tasks again."""
    nodes.change(lab, "activate", machine)


@task(help=_NODE, name="promote")
@report_errors
def node_promote(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: make a machine a manager, and wait until the others reach it."""
    nodes.change(lab, "promote", machine)


@task(help=_NODE, name="demote")
@report_errors
def node_demote(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: make a manager a worker; refused where the quorum would be lost."""
    nodes.change(lab, "demote", machine)


@task(help=_LAB)
@report_errors
def doctor(c: Context, lab: str = "") -> None:
    """Host: what this machine can run, and what is missing."""
    host.doctor(lab)


@task(help=_LAB)
@report_errors
def render(c: Context, lab: str = "") -> None:
    """Host: print the Vagrantfile of the lab."""
    host.render(lab)


@task(help={"plain": "without Docker, for trying its installation"})
@report_errors
def box(c: Context, plain: bool = False) -> None:
    """Host: build the box from Debian's packages, for where none can be downloaded."""
    host.box(docker=not plain)


@task(
    help={
        **_LAB,
        "to": "the folder to write to (default: archives/ beside lab.toml)",
        "machine": "the machine that has them, or can pull them (default: the first manager)",
        "grant": "a privilege for the plugin beyond the exercise's; can be repeated",
    },
    iterable=["grant"],
    name="save",
)
@report_errors
def images_save(
    c: Context, grant: list[str], lab: str = "", to: str = "", machine: str = ""
) -> None:
    """Lab: archives of its image and plugin, for a lab without a registry."""
    images.save(lab, to, machine, grant)


namespace = Collection(
    up,
    status,
    ssh,
    destroy,
    rebuild,
    scenario,
    scenarios,
    reproduce,
    same,
    compare,
    lock,
    logs,
    main_job,
    doctor,
    render,
    box,
)
checkpoint = Collection("checkpoint")
for verb in (checkpoint_save, checkpoint_list, checkpoint_restore, checkpoint_delete):
    checkpoint.add_task(verb)
namespace.add_collection(checkpoint)
archive_verbs = Collection("images")
archive_verbs.add_task(images_save)
namespace.add_collection(archive_verbs)
node = Collection("node")
for verb in (node_ls, node_drain, node_activate, node_promote, node_demote):
    node.add_task(verb)
namespace.add_collection(node)
