"""`python -m tests.bench`: measure, and print ratios with their spread."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from tests.bench import containers, exercise, learner, listing, machines, page, scale

BENCHES: dict[str, tuple[Callable[[int], Iterator[str]], int, str]] = {
    "list": (listing.run, 20, "inv --list against an empty tasks.py"),
    "scale": (scale.run, 3, "2, 5, 10 and 20 light hosts to a Ready swarm"),
    "overlay": (exercise.run, 5, "the overlay scenario against a shell script, on light hosts"),
    "learner": (learner.run, 5, "how soon a watch sees what was typed, on light hosts"),
    "page": (page.run, 5, "the page: event to green, key to screen, memory, on light hosts"),
    "containers": (containers.run, 3, "each verb on containers, and up against virtual machines"),
    "vms": (machines.run, 3, "cold up, rebuild, status, the scenario, on virtual machines"),
}


def main() -> None:
    listed = "\n".join(f"  {name:10} {what} ({n} runs)" for name, (_, n, what) in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"Measure, and print ratios with their spread.\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; else all")
    parser.add_argument("--runs", type=int, default=0, help="how many runs of each")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if given.runs < 0:
        parser.error("--runs: at least one")
    for name in given.names or BENCHES:
        work, usual, _ = BENCHES[name]
        for line in work(given.runs or usual):
            print(line, flush=True)


if __name__ == "__main__":
    main()
