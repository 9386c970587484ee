"""Virtual machines: a cold `inv up`, a rebuild, and a status, each against its plain counterpart.

Cold is from a host that has the box in Vagrant's store and nothing else: each side has a world of
its own, so each brings the box into libvirt. The counterpart of `inv up` is by_hand/Vagrantfile.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provision.providers.boxes import build
from provision.providers.libvirt import kvm
from tests.bench import CLONE, INV, exercise
from tests.bench.measure import Comparison, Series, by_turns, seconds
from tests.vm.vagrant_world import World, why_not

_PATIENCE = 1500.0
_STATUSES = 5


@functools.cache
def _driver() -> str:
    """For the Vagrantfile by hand. Tried once: a trial may take 20 s where KVM does not work."""
    return "kvm" if kvm.verdict().works else "qemu"


class Side:
    """One folder in one world, and commands in it that have to succeed."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder

    def run(self, argv: list[str], cwd: Path | None = None, **more: str) -> str:
        done = self.world.run(
            argv,
            timeout=_PATIENCE,
            cwd=cwd or CLONE,
            SWARMRIG_LAB=str(self.folder / "lab.toml"),
            DRIVER=_driver(),
            # As where somebody uses it: a verb's modules were compiled by an earlier one.
            PYTHONDONTWRITEBYTECODE="",
            **more,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout[-400:]} {done.stderr[-800:]}")
        return done.stdout


@contextlib.contextmanager
def side() -> Iterator[Side]:
    world = World.start()
    try:
        with tempfile.TemporaryDirectory(prefix="swarmrig-bench-", dir="/var/tmp") as folder:
            yield Side(world, Path(folder))
    finally:
        world.close()


def run(runs: int) -> Iterator[str]:
    if reason := why_not():
        raise RuntimeError(reason)
    build.build()
    up, by_hand = Series("inv up"), Series("vagrant up, by hand")
    rebuild, cold = Series("inv rebuild"), Series("inv up, cold")
    pairs: list[Comparison] = []
    for number in range(runs):
        # Who goes first changes with every run.
        for turn in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            with side() as one:
                if turn == "ours":
                    pairs += _ours(one, up, rebuild)
                else:
                    _theirs(one, by_hand)
    cold.values = up.values
    yield Comparison("cold up of two machines in a swarm", up, by_hand).told()
    yield Comparison("rebuild from the checkpoint against a cold up", rebuild, cold).told()
    for title in dict.fromkeys(pair.title for pair in pairs):
        yield _joined([pair for pair in pairs if pair.title == title]).told()


def _joined(pairs: list[Comparison]) -> Comparison:
    """The same comparison from several labs, as one."""
    first = pairs[0]
    for more in pairs[1:]:
        first.ours.values += more.ours.values
        first.theirs.values += more.theirs.values
    return first


def _ours(one: Side, up: Series, rebuild: Series) -> list[Comparison]:
    shutil.copy(CLONE / "lab.toml", one.folder)
    up.values.append(seconds(lambda: one.run([INV, "up"])))
    try:
        status = by_turns(
            "status of a lab that is up",
            ("inv status", lambda: _running(one.run([INV, "status"]))),
            ("vagrant status", lambda: _running(_vagrant(one, "status"))),
            _STATUSES,
        )
        config = one.folder / "ssh_config"
        config.write_text(_vagrant(one, "ssh-config"))
        image = one.run([INV, "ssh", "machine1", "--command", _IMAGE]).split()[0]
        steps = exercise.compare("virtual machines", one.run, config, image, runs=1)
        rebuild.values.append(seconds(lambda: one.run([INV, "rebuild"])))
    finally:
        one.run([INV, "destroy"])
    return [status, steps]


def _vagrant(one: Side, verb: str) -> str:
    """Vagrant's own verb on a lab of ours."""
    state = one.folder / ".swarmrig" / "book"
    return one.run(["vagrant", verb], cwd=state, VAGRANT_DOTFILE_PATH=str(state / "vagrant"))


def _running(said: str) -> None:
    if said.count("running") < 2:
        raise RuntimeError(f"two machines are up, and status says: {said}")


# The one image that a built box carries.
_IMAGE = "docker image ls --format '{{.Repository}}:{{.Tag}}'"


def _theirs(one: Side, by_hand: Series) -> None:
    shutil.copy(Path(__file__).parent / "by_hand" / "Vagrantfile", one.folder)

    def vagrant(*argv: str) -> str:
        return one.run(["vagrant", *argv], cwd=one.folder)

    by_hand.values.append(seconds(lambda: vagrant("up", "--provider", "libvirt")))
    try:
        nodes = vagrant("ssh", "machine1", "-c", "sudo docker node ls --format '{{.Status}}'")
        if nodes.split() != ["Ready", "Ready"]:
            raise RuntimeError(f"the swarm by hand is not ready: {nodes}")
    except subprocess.TimeoutExpired as error:
        raise RuntimeError("the machine by hand does not answer") from error
    finally:
        vagrant("destroy", "-f")
