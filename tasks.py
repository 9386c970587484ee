"""The command line: one short task per verb. `inv --list` shows them, `inv --help up` one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Collection, Context, Exit, task

from provision.cli import for_people
from provision.lazy import lazily

if TYPE_CHECKING:
    from provision import commands, overview
else:
    commands = lazily("provision.commands")
    overview = lazily("provision.overview")

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
@for_people
def up(
    c: Context,
    lab: str = "",
    parallel: int = 0,
    dry_run: bool = False,
    trust_new: bool = False,
    adopt_swarm: bool = False,
) -> None:
    """Lab: boot the machines, install Docker, form the swarm; goes on where it was cut off."""
    commands.up(lab, parallel, trust_new, adopt_swarm, dry_run)


@task(help={**_LAB, "json": "as JSON", "watch": "again and again, until Ctrl-C"})
@for_people
def status(c: Context, lab: str = "", json: bool = False, watch: bool = False) -> None:
    """Lab: machines, addresses, engines, nodes, networks, services."""
    overview.show(lab, json, watch)


@task(help={**_LAB, "machine": "its name", "command": "run this instead of a shell"})
@for_people
def ssh(c: Context, machine: str, command: str = "", lab: str = "") -> None:
    """Lab: a shell on a machine."""
    raise Exit(code=commands.ssh(lab, machine, command))


@task(
    help={
        **_LAB,
        **_PARALLEL,
        "name": "the lab's name, where its file is gone, broken, or another's by now",
        "purge": "existing hosts: remove Docker as well, where `up` has installed it",
    }
)
@for_people
def destroy(
    c: Context, lab: str = "", name: str = "", purge: bool = False, parallel: int = 0
) -> None:
    """Lab: remove all that `up` made, verified."""
    commands.destroy(lab, name, purge, parallel)


@task(help={**_LAB, "cold": "destroy and make anew, though there is a checkpoint"})
@for_people
def rebuild(c: Context, lab: str = "", cold: bool = False) -> None:
    """Lab: as `up` had made it: from the checkpoint "ready" in seconds, else made anew."""
    commands.rebuild(lab, cold)


@task(help={**_LAB, "output": "the archive to write (default: beside the lab's reports)"})
@for_people
def logs(c: Context, lab: str = "", output: str = "") -> None:
    """Lab: what a bug report needs, of all machines, in one archive without secrets."""
    commands.logs(lab, output)


@task(help={**_LAB, "update": "take what is there now; without a lab that is up, what comes next"})
@for_people
def lock(c: Context, lab: str = "", update: bool = False) -> None:
    """Lab: what differs from swarmrig.lock, which keeps what the lab is made of."""
    commands.lock(lab, update)


_CHECKPOINT = {**_LAB, "name": "the checkpoint's name"}


@task(help=_CHECKPOINT, name="save")
@for_people
def checkpoint_save(c: Context, name: str, lab: str = "") -> None:
    """Lab: keep the state of all machines at one moment, to come back to."""
    commands.checkpoint_save(lab, name)


@task(help=_LAB, name="list")
@for_people
def checkpoint_list(c: Context, lab: str = "") -> None:
    """Lab: the checkpoints there are."""
    commands.checkpoint_list(lab)


@task(help=_CHECKPOINT, name="restore")
@for_people
def checkpoint_restore(c: Context, name: str, lab: str = "") -> None:
    """Lab: set all machines back to a checkpoint."""
    commands.checkpoint_restore(lab, name)


@task(help=_CHECKPOINT, name="delete")
@for_people
def checkpoint_delete(c: Context, name: str, lab: str = "") -> None:
    """Lab: delete a checkpoint."""
    commands.checkpoint_delete(lab, name)


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
@for_people
def scenario(
    c: Context,
    name: str,
    grant: list[str],
    lab: str = "",
    dry_run: bool = False,
    walk: bool = False,
) -> None:
    """Scenario: run one on the lab, and leave a report."""
    commands.scenario(lab, name, dry_run, walk, grant)


@task(
    help={
        **_LAB,
        "name": "the scenario",
        "cold": "make the machines anew in between, not from the checkpoint",
        "grant": "a privilege for the plugin beyond the exercise's; can be repeated",
    },
    iterable=["grant"],
)
@for_people
def reproduce(c: Context, name: str, grant: list[str], lab: str = "", cold: bool = False) -> None:
    """Scenario: run one, rebuild, run it again: is all equal, chance left out?"""
    commands.reproduce(lab, name, cold, grant)


@task(help={"first": "a report's folder", "second": "another's"})
@for_people
def same(c: Context, first: str, second: str) -> None:
    """Scenario: are two reports equal, chance left out?"""
    commands.same(first, second)


@task(
    help={
        **_LAB,
        "first": "a report's folder, or a scenario (its newest run)",
        "second": "the other one",
        "to": "the folder to write to (default: beside the second report)",
    }
)
@for_people
def compare(c: Context, first: str, second: str, lab: str = "", to: str = "") -> None:
    """Scenario: two runs side by side on one page, such as overlay and weave."""
    commands.compare(lab, first, second, to)


@task
@for_people
def scenarios(c: Context) -> None:
    """Scenario: list what there is."""
    commands.scenarios_table()


@task(help={**_LAB, "scenario": "which scenario"}, name="lab")
@for_people
def main_job(c: Context, lab: str = "", scenario: str = "overlay") -> None:
    """Scenario: the main job in one go: up, the scenario, its report."""
    commands.lab(lab, scenario)


@task(help={**_LAB, "json": "as JSON"}, name="ls")
@for_people
def node_ls(c: Context, lab: str = "", json: bool = False) -> None:
    """Swarm: its nodes, with role, state, availability, and how many tasks run there."""
    commands.node_table(lab, json)


@task(help=_NODE, name="drain")
@for_people
def node_drain(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: move all tasks away from a machine, and wait until they run elsewhere."""
    commands.node(lab, "drain", machine)


@task(help=_NODE, name="activate")
@for_people
def node_activate(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: let a drained machine take tasks again."""
    commands.node(lab, "activate", machine)


@task(help=_NODE, name="promote")
@for_people
def node_promote(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: make a machine a manager, and wait until the others reach it."""
    commands.node(lab, "promote", machine)


@task(help=_NODE, name="demote")
@for_people
def node_demote(c: Context, machine: str, lab: str = "") -> None:
    """Swarm: make a manager a worker; refused where the quorum would be lost."""
    commands.node(lab, "demote", machine)


@task(help=_LAB)
@for_people
def doctor(c: Context, lab: str = "") -> None:
    """Host: what this machine can run, and what is missing."""
    commands.doctor(lab)


@task(help=_LAB)
@for_people
def render(c: Context, lab: str = "") -> None:
    """Host: print the Vagrantfile of the lab."""
    commands.render(lab)


@task(help={"plain": "without Docker, for trying its installation"})
@for_people
def box(c: Context, plain: bool = False) -> None:
    """Host: build the box from Debian's packages, for where none can be downloaded."""
    commands.box(docker=not plain)


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
@for_people
def images_save(
    c: Context, grant: list[str], lab: str = "", to: str = "", machine: str = ""
) -> None:
    """Lab: archives of its image and plugin, for a lab without a registry."""
    commands.images_save(lab, to, machine, grant)


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
images = Collection("images")
images.add_task(images_save)
namespace.add_collection(images)
node = Collection("node")
for verb in (node_ls, node_drain, node_activate, node_promote, node_demote):
    node.add_task(verb)
namespace.add_collection(node)
