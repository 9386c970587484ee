"""The command line: one short Invoke task per verb. `inv` lists them, `inv --help up` shows one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task, task

from provision.cli import listing
from provision.cli.errors import report_errors
from provision.support.lazy import lazily

if TYPE_CHECKING:
    from provision.cli import checkpoints, faults, host, images, lockfile, nodes
    from provision.cli import lab as labs
    from provision.cli import logs as archives
    from provision.cli import status as overview
    from provision.faults import library
    from provision.lifecycle import rebuild as rebuilding
    from provision.lifecycle import running
    from scenarios.cli import atlas as atlases
    from scenarios.cli import compare as comparison
    from scenarios.cli import learn as learning
    from scenarios.cli import measure as measuring
    from scenarios.cli import page as pages
    from scenarios.cli import puzzle as puzzles
    from scenarios.cli import run as runs
else:
    # Each verb loads what it needs and nothing else, so that listing the verbs stays quick.
    archives = lazily("provision.cli.logs")
    atlases = lazily("scenarios.cli.atlas")
    checkpoints = lazily("provision.cli.checkpoints")
    comparison = lazily("scenarios.cli.compare")
    faults = lazily("provision.cli.faults")
    host = lazily("provision.cli.host")
    images = lazily("provision.cli.images")
    labs = lazily("provision.cli.lab")
    library = lazily("provision.faults.library")
    learning = lazily("scenarios.cli.learn")
    lockfile = lazily("provision.cli.lockfile")
    measuring = lazily("scenarios.cli.measure")
    nodes = lazily("provision.cli.nodes")
    overview = lazily("provision.cli.status")
    pages = lazily("scenarios.cli.page")
    puzzles = lazily("scenarios.cli.puzzle")
    rebuilding = lazily("provision.lifecycle.rebuild")
    running = lazily("provision.lifecycle.running")
    runs = lazily("scenarios.cli.run")

_LAB = {"lab": "the lab file (default: $SWARMRIG_LAB, else lab.toml)"}
_NODE = {**_LAB, "machine": "the machine's name in lab.toml"}
_PARALLEL = {"parallel": "how many machines to work on at a time (default: 20)"}


@task(
    help={
        **_LAB,
        **_PARALLEL,
        "dry-run": "print the changes it would make to each machine, without making them",
        "trust-new": "existing hosts: record unknown host keys without asking",
        "adopt-swarm": "existing hosts: use the swarm they are already in",
        "recover-swarm": "recover a swarm that has lost its quorum, with what one manager has",
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
    recover_swarm: bool = False,
) -> None:
    """Create the lab, or resume creating it.

    Boots the machines, installs Docker and forms the swarm. What is already done is kept: after an
    interruption, run it again.
    """
    labs.up(lab, parallel, trust_new, adopt_swarm, recover_swarm, dry_run)


@task(help={**_LAB, "json": "print JSON", "watch": "repeat until Ctrl-C"})
@report_errors
def status(c: Context, lab: str = "", json: bool = False, watch: bool = False) -> None:
    """Show machines, nodes, networks, services, faults."""
    overview.show(lab, json, watch)


@task(help={**_NODE, "command": "run this command instead of a shell"})
@report_errors
def ssh(c: Context, machine: str, command: str = "", lab: str = "") -> None:
    """Open a shell on a machine."""
    raise Exit(code=labs.ssh(lab, machine, command))


@task(
    help={
        **_LAB,
        **_PARALLEL,
        "name": "the lab's name, if its file is missing or broken",
        "purge": "existing hosts: also remove Docker where `up` installed it",
    }
)
@report_errors
def destroy(
    c: Context, lab: str = "", name: str = "", purge: bool = False, parallel: int = 0
) -> None:
    """Remove everything `up` created, and verify it."""
    labs.destroy(lab, name, purge, parallel)


@task(help={**_LAB, "cold": "destroy and recreate the machines, even if there is a checkpoint"})
@report_errors
def rebuild(c: Context, lab: str = "", cold: bool = False) -> None:
    """Reset the lab to the state after `up`.

    Restores the checkpoint "ready" in seconds. Without one, destroys and recreates the lab.
    """
    labs.rebuild(lab, cold)


@task(help={**_LAB, "output": "the archive to write (default: next to the lab's reports)"})
@report_errors
def logs(c: Context, lab: str = "", output: str = "") -> None:
    """Collect redacted logs from all machines."""
    archives.collect(lab, output)


@task(
    help={
        **_LAB,
        "update": "write the running lab's versions; if the lab is not up, remove its entry",
    }
)
@report_errors
def lock(c: Context, lab: str = "", update: bool = False) -> None:
    """Compare the lab with swarmrig.lock, or update it."""
    lockfile.show(lab, update)


_CHECKPOINT = {**_LAB, "name": "the checkpoint's name"}


@task(help=_CHECKPOINT, name="save")
@report_errors
def checkpoint_save(c: Context, name: str, lab: str = "") -> None:
    """Save the state of all machines."""
    checkpoints.save(lab, name)


@task(help=_LAB, name="list")
@report_errors
def checkpoint_list(c: Context, lab: str = "") -> None:
    """List the checkpoints."""
    checkpoints.show(lab)


@task(help=_CHECKPOINT, name="restore")
@report_errors
def checkpoint_restore(c: Context, name: str, lab: str = "") -> None:
    """Restore all machines to a checkpoint."""
    checkpoints.restore(lab, name)


@task(help=_CHECKPOINT, name="delete")
@report_errors
def checkpoint_delete(c: Context, name: str, lab: str = "") -> None:
    """Delete a checkpoint."""
    checkpoints.delete(lab, name)


@task(
    help={
        **_LAB,
        "name": "the scenario's name (see: inv scenarios)",
        "dry-run": "print the steps without running them",
        "walk": "wait for Enter before each step",
        "grant": "allow the plugin a privilege that the exercise does not list; repeatable",
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
    """Run a scenario on the lab and write a report."""
    runs.scenario(running.opened, lab, name, dry_run, walk, grant)


@task(
    help={
        **_LAB,
        "name": "the scenario's name",
        "cold": "recreate the machines between the runs, instead of restoring the checkpoint",
        "grant": "allow the plugin a privilege that the exercise does not list; repeatable",
    },
    iterable=["grant"],
)
@report_errors
def reproduce(c: Context, name: str, grant: list[str], lab: str = "", cold: bool = False) -> None:
    """Run, rebuild, run again and compare the two runs.

    The comparison ignores ids, timings and automatically assigned addresses.
    """
    runs.reproduce(running.opened, rebuilding.again(cold), lab, name, grant)


@task(help={"first": "a report's folder", "second": "another report's folder"})
@report_errors
def same(c: Context, first: str, second: str) -> None:
    """Compare two reports, ignoring ids and timings."""
    comparison.same(first, second)


@task(
    help={
        **_LAB,
        "first": "a report's folder, or a scenario's name for its newest run",
        "second": "the other folder or scenario",
        "more": "further ones: inv compare overlay spread weave",
        "to": "the folder to write to (default: next to the last report)",
    },
    iterable=["more"],
)
@report_errors
def compare(
    c: Context, first: str, second: str, more: list[str], lab: str = "", to: str = ""
) -> None:
    """Show two runs or more side by side on one page.

    The first run is what the others are compared with. Runs that had the same fault get a page of
    what came of it as well.
    """
    comparison.compare(lab, [first, second, *more], to)


@task(
    help={
        **_LAB,
        "driver": "overlay, bridge, host or weave; the others are measured against it",
        "more": "further ones: inv measure host overlay bridge",
        "rounds": "how often each is measured (default: 10, at least 8)",
        "seconds": "for how long each sends in a round (default: 5)",
        "json": "print the record as JSON",
        "grant": "allow the plugin a privilege that the exercise does not list; repeatable",
    },
    iterable=["more", "grant"],
)
@report_errors
def measure(
    c: Context,
    driver: str,
    more: list[str],
    grant: list[str],
    lab: str = "",
    rounds: int = 10,
    seconds: int = 5,
    json: bool = False,
) -> None:
    """Measure network drivers against each other.

    Throughput, round trips and CPU time between containers on two machines, driver after driver
    in several rounds. All that is made for it is removed.
    """
    measuring.measure(running.opened, lab, [driver, *more], rounds, seconds, json, grant)


_EXERCISE = {**_LAB, "name": "the scenario's name (see: inv scenarios)"}
_STEP = {**_EXERCISE, "step": "the step's number"}


@task(
    help={
        **_EXERCISE,
        "watch": "repeat at every change, until all steps are done",
        "walk": "as --watch, with the explanation of each step and what was checked",
        "json": "print JSON",
        "reset": "forget which steps were done; the lab is not changed",
    }
)
@report_errors
def check(
    c: Context,
    name: str,
    lab: str = "",
    watch: bool = False,
    walk: bool = False,
    json: bool = False,
    reset: bool = False,
) -> None:
    """Show which steps of an exercise you have done.

    Nothing is changed on the lab. Exit code 0 if all steps are done, 1 otherwise.
    """
    if not learning.check(running.viewed, lab, name, watch, walk, json, reset):
        raise Exit(code=1)


@task(help={**_EXERCISE, "stage": "1: what to do, 2: the command with gaps, 3: the command"})
@report_errors
def hint(c: Context, name: str, lab: str = "", stage: int = 0) -> None:
    """Hint at the next step; again: more plainly."""
    learning.hint(running.viewed, lab, name, stage)


@task(help=_STEP)
@report_errors
def solve(c: Context, name: str, step: str, lab: str = "") -> None:
    """Let Swarmrig do one step of an exercise."""
    learning.solve(running.opened, lab, name, step)


@task(help=_STEP)
@report_errors
def catch_up(c: Context, name: str, step: str, lab: str = "") -> None:
    """Do all steps before one, so that it is the next.

    Begins at the checkpoint "ready", if the lab has one: what was typed before is undone.
    """
    learning.catch_up(running.opened, rebuilding.to_ready, lab, name, step)


@task(
    help={
        **_EXERCISE,
        "port": "the port on 127.0.0.1 (default: a free one)",
        "open": "open the page in the browser (--no-open: only print its address)",
    }
)
@report_errors
def learn(c: Context, name: str, lab: str = "", port: int = 0, open: bool = True) -> None:
    """Type an exercise on a page in the browser.

    Creates the lab if it is not up. The page has the steps and the machines' terminals, until
    Ctrl-C.
    """
    handed = pages.Handed(
        running.viewed, running.opened, labs.up, rebuilding.to_ready, rebuilding.rebuild
    )
    pages.learn(handed, lab, name, port, open)


@task(
    help={
        **_LAB,
        "only": "one of the scenarios; repeatable (default: all that the lab can run)",
        "from-reports": "run nothing: make the page of the newest reports",
    },
    iterable=["only"],
)
@report_errors
def atlas(c: Context, only: list[str], lab: str = "", from_reports: bool = False) -> None:
    """Show who reaches whom in each kind of network."""
    atlases.atlas(running.opened, lab, only, from_reports)


@task
@report_errors
def scenarios(c: Context) -> None:
    """List the scenarios."""
    runs.list_all()


@task(help={**_LAB, "scenario": "the scenario to run (default: overlay)"}, name="lab")
@report_errors
def main_job(c: Context, lab: str = "", scenario: str = "overlay") -> None:
    """Create the lab and run the overlay exercise."""
    labs.up(lab)
    runs.scenario(running.opened, lab, scenario)


@task(help={**_LAB, "json": "print JSON"}, name="ls")
@report_errors
def node_ls(c: Context, lab: str = "", json: bool = False) -> None:
    """List the nodes: role, state, availability, tasks."""
    nodes.show(lab, json)


def _node_verb(name: str, summary: str) -> Task[Callable[..., None]]:
    """A verb that changes one node of the swarm."""

    def change(c: Context, machine: str, lab: str = "") -> None:
        nodes.change(lab, name, machine)

    change.__doc__ = summary
    return Task(report_errors(change), help=_NODE, name=name)


NODE_VERBS = [
    node_ls,
    _node_verb("drain", "Move all tasks off a node, and wait for it."),
    _node_verb("activate", "Let a drained node take tasks again."),
    _node_verb("promote", "Make a node a manager."),
    _node_verb("demote", "Make a manager a worker, if the quorum allows it."),
]


_FAULT = {**_NODE, "for": "seconds until it heals by itself (default: 60)"}
_BETWEEN = {**_FAULT, "from": "the machine at the other end; repeatable (default: all)"}
_SIXTY = "60"


@task(help={**_LAB, "json": "print JSON"}, name="ls")
@report_errors
def fault_ls(c: Context, lab: str = "", json: bool = False) -> None:
    """List the faults that were made."""
    faults.show(lab, json)


@task(help={**_LAB, "machine": "only the faults of this machine"}, name="heal")
@report_errors
def fault_heal(c: Context, lab: str = "", machine: str = "") -> None:
    """Heal faults now, before their time is over."""
    faults.heal(lab, machine)


@task(
    help={
        **_BETWEEN,
        "port": "only packets to this port, such as 4789/udp",
        "one-way": "only what MACHINE sends is lost",
    },
    iterable=["from_"],
    name="partition",
)
@report_errors
def fault_partition(
    c: Context,
    machine: str,
    from_: list[str],
    port: str = "",
    one_way: bool = False,
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Cut a machine off from the others."""
    faults.make(lab, library.partition(machine, *from_, port=port, one_way=one_way), for_)


@task(
    help={**_BETWEEN, "ms": "milliseconds (default: 100)", "jitter": "milliseconds, more or less"},
    iterable=["from_"],
    name="delay",
)
@report_errors
def fault_delay(
    c: Context,
    machine: str,
    from_: list[str],
    ms: int = 100,
    jitter: int = 0,
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Delay what a machine sends to the others."""
    faults.make(lab, library.delay(machine, *from_, ms=ms, jitter=jitter), for_)


@task(
    help={**_BETWEEN, "percent": "of a hundred packets (default: 30)"},
    iterable=["from_"],
    name="loss",
)
@report_errors
def fault_loss(
    c: Context,
    machine: str,
    from_: list[str],
    percent: str = "30",
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Lose some of what a machine sends, at random."""
    lost = faults.number("--percent", percent)
    faults.make(lab, library.loss(machine, *from_, percent=lost), for_)


@task(
    help={**_BETWEEN, "kbit": "kilobits in a second (default: 1000)"},
    iterable=["from_"],
    name="rate",
)
@report_errors
def fault_rate(
    c: Context,
    machine: str,
    from_: list[str],
    kbit: int = 1000,
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Limit how fast a machine sends to the others."""
    faults.make(lab, library.rate(machine, *from_, kbit=kbit), for_)


@task(
    help={
        **_BETWEEN,
        "percent": "of a hundred packets overtake (default: 25)",
        "ms": "milliseconds that the rest is late (default: 20)",
    },
    iterable=["from_"],
    name="reorder",
)
@report_errors
def fault_reorder(
    c: Context,
    machine: str,
    from_: list[str],
    percent: str = "25",
    ms: int = 20,
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Let some of what a machine sends come early."""
    ahead = faults.number("--percent", percent)
    faults.make(lab, library.reorder(machine, *from_, percent=ahead, ms=ms), for_)


@task(
    help={**_BETWEEN, "size": "bytes of an IP packet that still passes (default: 1400)"},
    iterable=["from_"],
    name="mtu",
)
@report_errors
def fault_mtu(
    c: Context,
    machine: str,
    from_: list[str],
    size: int = 1400,
    for_: str = _SIXTY,
    lab: str = "",
) -> None:
    """Lose larger packets, both ways."""
    faults.make(lab, library.mtu(machine, *from_, size=size), for_)


@task(help=_FAULT, name="kill-daemon")
@report_errors
def fault_kill_daemon(c: Context, machine: str, for_: str = _SIXTY, lab: str = "") -> None:
    """Kill Docker's daemon on a machine."""
    faults.make(lab, library.kill_daemon(machine), for_)


@task(help=_FAULT, name="freeze-daemon")
@report_errors
def fault_freeze_daemon(c: Context, machine: str, for_: str = _SIXTY, lab: str = "") -> None:
    """Freeze Docker's daemon on a machine."""
    faults.make(lab, library.freeze_daemon(machine), for_)


@task(help=_FAULT, name="power-off")
@report_errors
def fault_power_off(c: Context, machine: str, for_: str = _SIXTY, lab: str = "") -> None:
    """Cut a machine's power."""
    faults.make(lab, library.power_off(machine), for_)


@task(
    help={**_FAULT, "seconds": "how far it is ahead; behind: --seconds=-3600 (default: 3600)"},
    name="clock",
)
@report_errors
def fault_clock(
    c: Context, machine: str, seconds: int = 3600, for_: str = _SIXTY, lab: str = ""
) -> None:
    """Set a machine's clock wrong."""
    faults.make(lab, library.clock(machine, seconds), for_)


FAULT_VERBS = [
    fault_ls,
    fault_heal,
    fault_partition,
    fault_delay,
    fault_loss,
    fault_rate,
    fault_reorder,
    fault_mtu,
    fault_kill_daemon,
    fault_freeze_daemon,
    fault_power_off,
    fault_clock,
]


@task(
    help={
        **_LAB,
        "number": "a puzzle of your choice (default: any)",
        "seed": "any text: with the same seed all labs have the same puzzle",
        "for": "seconds until it heals by itself, 300 to 14400 (default: 3600)",
        "list": "list the puzzles, without what they are",
        "json": "print JSON",
    },
    default=True,
    name="start",
)
@report_errors
def puzzle_start(
    c: Context,
    lab: str = "",
    number: int = 0,
    seed: str = "",
    for_: str = "3600",
    list: bool = False,
    json: bool = False,
) -> None:
    """Break something, for you to find and repair.

    Creates two services, sees that they work, and plants a fault. If a puzzle is on, shows it.
    """
    if list:
        puzzles.list_all(json)
    else:
        puzzles.start(running.opened, lab, number, seed, for_, json)


@task(
    help={
        **_LAB,
        "machine": "the machine that has the fault; `swarm` if none has it",
        "layer": "underlay, mtu, overlay, control, names, scheduling, service or engine",
        "json": "print JSON",
    },
    name="answer",
)
@report_errors
def puzzle_answer(c: Context, machine: str, layer: str, lab: str = "", json: bool = False) -> None:
    """Name the machine and the layer of the fault.

    Exit code 0 if both are right, 1 otherwise.
    """
    if not puzzles.answer(lab, machine, layer, json):
        raise Exit(code=1)


@task(help={**_LAB, "json": "print JSON"}, name="check")
@report_errors
def puzzle_check(c: Context, lab: str = "", json: bool = False) -> None:
    """See whether you have repaired it.

    Exit code 0 if the shop works again and the fault is gone, 1 otherwise.
    """
    if not puzzles.check(running.opened, lab, json):
        raise Exit(code=1)


@task(
    help={
        **_LAB,
        "stage": "1: where to look, 2: what to look with, 3: the repair",
        "json": "print JSON",
    },
    name="hint",
)
@report_errors
def puzzle_hint(c: Context, lab: str = "", stage: int = 0, json: bool = False) -> None:
    """Hint at the fault; again: more plainly."""
    puzzles.hint(lab, stage, json)


@task(help=_LAB, name="stop")
@report_errors
def puzzle_stop(c: Context, lab: str = "") -> None:
    """End the puzzle: heal it and remove its services."""
    puzzles.stop(running.opened, lab)


PUZZLE_VERBS = [puzzle_start, puzzle_answer, puzzle_check, puzzle_hint, puzzle_stop]


@task(help=_LAB)
@report_errors
def doctor(c: Context, lab: str = "") -> None:
    """Check what this host can run and what is missing."""
    host.doctor(lab)


@task(help=_LAB)
@report_errors
def render(c: Context, lab: str = "") -> None:
    """Print the lab's Vagrantfile."""
    host.render(lab)


@task(
    help={
        "plain": "leave Docker out, to test its installation",
        "suite": "bookworm, trixie or forky: the Debian inside (default: trixie)",
    }
)
@report_errors
def box(c: Context, plain: bool = False, suite: str = "") -> None:
    """Build a box from Debian packages, no downloads.

    For hosts that cannot download a Vagrant box. Debian's package archive must be reachable.
    """
    host.box(docker=not plain, suite=suite)


@task(
    help={
        **_LAB,
        "to": "the folder to write to (default: archives/ next to lab.toml)",
        "machine": "the machine to take them from (default: the first manager)",
        "grant": "allow the plugin a privilege that the exercise does not list; repeatable",
    },
    iterable=["grant"],
    name="save",
)
@report_errors
def images_save(
    c: Context, grant: list[str], lab: str = "", to: str = "", machine: str = ""
) -> None:
    """Save the image and plugin for an offline lab."""
    images.save(lab, to, machine, grant)


def _collection(name: str, *tasks: Task[Callable[..., None]]) -> Collection:
    below = Collection(name)
    for one in tasks:
        below.add_task(one)
    return below


namespace = Collection(
    up,
    status,
    ssh,
    destroy,
    rebuild,
    scenario,
    scenarios,
    atlas,
    learn,
    check,
    hint,
    solve,
    catch_up,
    reproduce,
    same,
    compare,
    measure,
    lock,
    logs,
    main_job,
    doctor,
    render,
    box,
    _collection(
        "checkpoint", checkpoint_save, checkpoint_list, checkpoint_restore, checkpoint_delete
    ),
    _collection("images", images_save),
    _collection("node", *NODE_VERBS),
    _collection("fault", *FAULT_VERBS),
    _collection("puzzle", *PUZZLE_VERBS),
)

_MACHINES = listing.Choices("Machines", "provision.cli.choices:machines")
_CHECKPOINTS = listing.Choices("Checkpoints", "provision.cli.choices:checkpoints")
_NEW_NAME = listing.Choices("Choose a new name. In use", "provision.cli.choices:checkpoints")
_SCENARIOS = listing.Choices("Scenarios", "scenarios.cli.choices:scenarios")
_DRIVERS = listing.Choices("Drivers, one or more", "scenarios.cli.measure:drivers")
_ANSWERS = listing.Choices("Machines, and layers", "scenarios.cli.choices:answers")
_REPORTS = listing.Choices("Reports, newest first", "scenarios.cli.choices:reports")

listing.install(
    listing.Menu(
        first=("doctor", "lab", "destroy"),
        groups={
            "Lab": (
                "up",
                "status",
                "ssh",
                "rebuild",
                "destroy",
                "checkpoint.save",
                "checkpoint.list",
                "checkpoint.restore",
                "checkpoint.delete",
                "lock",
                "images.save",
                "logs",
            ),
            "Scenarios": (
                "lab",
                "scenarios",
                "scenario",
                "atlas",
                "reproduce",
                "same",
                "compare",
                "measure",
            ),
            "Typing an exercise": ("learn", "check", "hint", "solve", "catch-up"),
            "Swarm": ("node.ls", "node.drain", "node.activate", "node.promote", "node.demote"),
            "Faults": tuple(f"fault.{verb.name}" for verb in FAULT_VERBS),
            "Puzzles": (
                "puzzle",
                "puzzle.answer",
                "puzzle.check",
                "puzzle.hint",
                "puzzle.stop",
            ),
            "This host": ("doctor", "render", "box"),
        },
        choices={
            "ssh": _MACHINES,
            "node.drain": _MACHINES,
            "node.activate": _MACHINES,
            "node.promote": _MACHINES,
            "node.demote": _MACHINES,
            **{f"fault.{verb.name}": _MACHINES for verb in FAULT_VERBS[2:]},
            "puzzle.answer": _ANSWERS,
            "checkpoint.save": _NEW_NAME,
            "checkpoint.restore": _CHECKPOINTS,
            "checkpoint.delete": _CHECKPOINTS,
            "scenario": _SCENARIOS,
            "learn": _SCENARIOS,
            "check": _SCENARIOS,
            "hint": _SCENARIOS,
            "solve": _SCENARIOS,
            "catch-up": _SCENARIOS,
            "reproduce": _SCENARIOS,
            "same": _REPORTS,
            "compare": _REPORTS,
            "measure": _DRIVERS,
        },
        more={"compare": "more", "measure": "more"},
    )
)
