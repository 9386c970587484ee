"""The page of `inv learn`: from an engine's event to green, from a key to the screen, memory."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from provision.lifecycle import up
from scenarios.overlay import overlay
from scenarios.page.server import STATIC
from tests.bench import CLONE, INV
from tests.bench.learner import remove
from tests.bench.light import Light, light_lab
from tests.bench.measure import Series
from tests.hosts.learn_page import STOPWATCH, Window
from tests.hosts.mistakes import CREATE, service
from tests.hosts.typed import Learner, bring_to
from tests.support.chromium import chromium
from tests.support.progress import quiet

# When each step turns green, on the clock that the engines have as well.
_GREEN = """
window.turned = {};
new MutationObserver(() => {
  for (const one of document.querySelectorAll(".step.done"))
    window.turned[one.id] ??= performance.timeOrigin + performance.now();
}).observe(document.getElementById("steps"), {subtree: true, attributes: true});
"""
# The step, what is typed for it, the event that it needs, and what it makes.
_TYPED = {
    "5": (CREATE, "type=network", "event=create", "network", "overlaynet1"),
    "7": (service(1), "type=container", "event=start", "service", "alpine-overlay1"),
}
_KEYS = "abcdefghijklmnopqrst"
_FLOOD = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 79"


def run(runs: int) -> Iterator[str]:
    """`inv learn` is a process of its own here, as learners have it."""
    yield f"the page: {_kilobytes()} kB that a browser loads"
    with light_lab(2) as light, light.fabric.entered(), tempfile.TemporaryDirectory() as made:
        up.up(light.lab, quiet())
        learner = Learner(light.lab, light.hosts, overlay)
        bring_to(learner, "5")
        learner.forget()
        with _learning(light) as (pid, address), chromium(Path(made)) as chrome:
            chrome.set_window_size(1280, 900)
            window = Window(chrome, address)
            window.open()
            green = {number: Series(f"step {number}") for number in _TYPED}
            for _ in range(runs):
                for number, seconds in _greens(learner, window).items():
                    green[number].values.append(seconds)
            memory = _memory(pid)
            echo = _echo(window)
            _flood(window)
            flooded = _memory(pid)
    yield f"from an engine's event to green in the page, on light hosts: {runs} runs"
    yield f"  network created    {green['5'].told()}"
    yield f"  container started  {green['7'].told()}"
    yield f"from a key to the screen: {echo.told()}, {len(echo.values)} keys"
    yield f"memory of the server: {memory:.0f} MiB, after a terminal's 20 MB {flooded:.0f} MiB"


def _kilobytes() -> int:
    return round(sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) / 1000)


@contextlib.contextmanager
def _learning(light: Light) -> Iterator[tuple[int, str]]:
    """The process of `inv learn`, and the page's address."""
    with subprocess.Popen(
        [INV, "learn", "overlay", "--no-open", f"--lab={light.lab.file}"],
        cwd=CLONE,
        stdout=subprocess.PIPE,
        text=True,
    ) as verb:
        assert verb.stdout is not None
        try:
            yield verb.pid, verb.stdout.readline().removeprefix("The page: ").strip()
        finally:
            verb.send_signal(signal.SIGINT)


def _greens(learner: Learner, window: Window) -> dict[str, float]:
    """The seconds from each step's event until it was green."""
    window.press("#reset")
    window.press("#yes")
    window.until("it begins again", lambda: not window.is_done("5"))
    window.wait_done("4")
    window.browser.execute_script(_GREEN)
    found: dict[str, float] = {}
    for number, (command, kind, event, _, _) in _TYPED.items():
        since = time.time()
        learner.types(command)
        window.wait_done(number)
        turned = window.browser.execute_script(f"return window.turned['step-{number}']") / 1000
        found[number] = turned - _event(learner, since, kind, event)
    for _, _, _, made, name in reversed(_TYPED.values()):
        remove(learner, made, name)
    return found


def _event(learner: Learner, since: float, kind: str, event: str) -> float:
    """When the first such event was, in seconds."""
    asked = ["docker", "events", f"--since={since:.3f}", f"--until={time.time():.3f}"]
    asked += [f"--filter={kind}", f"--filter={event}", "--format={{.TimeNano}}"]
    return int(learner.hosts[0].exec(*asked).stdout.split()[0]) / 1e9


def _echo(window: Window) -> Series:
    window.types("machine1", "echo ready-$((40+2)); cat > /dev/null")
    window.sees("machine1", "ready-42")
    window.browser.execute_script(STOPWATCH)
    for count, key in enumerate(_KEYS, start=1):
        window.keys("machine1", key)
        window.until("echo", lambda count=count: len(window.noted("times")) == count)
    window.keys("machine1", "\ue009c\ue000")  # Ctrl+C
    return Series("echo", [float(one) / 1000 for one in window.noted("times")])


def _flood(window: Window) -> None:
    window.types("machine1", f"{_FLOOD}; echo flooded-$((40+2))")
    window.sees("machine1", "flooded-42")


def _memory(pid: int) -> float:
    """What a process has in memory, in MiB."""
    told = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", told, re.MULTILINE)
    assert found
    return int(found[1]) / 1024
