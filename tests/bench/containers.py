"""Machines as containers: what each verb takes, and a cold `inv up` against emulated machines.

Both have what they are made of already: the image in the engine, the box in Vagrant's store.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from provision.providers.boxes import build
from provision.providers.boxes.recipe import SUITE
from provision.providers.containers import image
from tests.bench import CLONE, INV
from tests.bench.machines import side
from tests.bench.measure import Comparison, Series, seconds
from tests.containers.outer import Lab, Outer, why_not
from tests.hosts import root as roots

_VERBS = ("rebuild", "status", "destroy")


@contextlib.contextmanager
def outer_engine() -> Iterator[Outer]:
    if reason := why_not():
        raise RuntimeError(reason)
    roots.root(True, roots.chosen())
    image.file_system(SUITE, print)
    made = Outer(roots.chosen())
    try:
        yield made
    finally:
        made.close()


def run(runs: int) -> Iterator[str]:
    up, machines = Series("inv up, containers"), Series("inv up, virtual machines")
    overlay = Series("up and the overlay scenario")
    verbs = {verb: Series(f"inv {verb}") for verb in _VERBS}
    memory = Series("memory of an idle machine", unit="MiB")
    build.build()
    with outer_engine() as outer, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        warm = Lab(outer, Path(folder))
        warm.must("up")
        warm.must("destroy")
        for number in range(runs):
            # Who goes first changes with every run.
            for turn in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
                if turn == "ours":
                    _ours(warm, up, overlay, verbs, memory)
                else:
                    _theirs(machines)
    yield Comparison("cold up of two machines in a swarm", up, machines).told()
    for series in (overlay, *verbs.values(), memory):
        yield f"{series.name}, containers: {series.told()}"


def _ours(lab: Lab, up: Series, overlay: Series, verbs: dict[str, Series], memory: Series) -> None:
    up.values.append(seconds(lambda: lab.must("up")))
    shown = lab.outer.docker("stats", "--no-stream", "--format", "{{.MemUsage}}")
    memory.values += [float(number) for number in re.findall(r"([\d.]+)MiB /", shown)]
    overlay.values.append(up.values[-1] + seconds(lambda: lab.must("scenario", "overlay")))
    for verb, series in verbs.items():
        series.values.append(seconds(partial(lab.must, verb)))


def _theirs(machines: Series) -> None:
    with side() as one:
        shutil.copy(CLONE / "lab.toml", one.folder)
        machines.values.append(seconds(lambda: one.run([INV, "up"])))
        one.run([INV, "destroy"])
