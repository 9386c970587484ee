"""`inv learn`: an exercise typed through the page's terminals, in a real browser."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import up
from scenarios.attachable import attachable
from scenarios.frozen import frozen
from scenarios.kit.scenario import Scenario
from scenarios.overlay import overlay
from scenarios.record import store
from scenarios.spread import spread
from tests.hosts import mistakes
from tests.hosts.conftest import CLONE, Labs
from tests.hosts.learn_page import STOPWATCH, Window, served
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.typed import Learner, bring_to
from tests.support.chromium import chromium
from tests.support.progress import quiet
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import tunnel


@pytest.fixture
def learner(lab: Lab, two_hosts: list[Host]) -> Iterator[Learner]:
    one = Learner(lab, two_hosts, overlay)
    bring_to(one, "5")
    one.forget()
    yield one
    one.forget()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path / "chromium") as chrome:
        chrome.set_window_size(1280, 900)
        yield chrome


@pytest.fixture
def window(learner: Learner, browser: webdriver.Chrome) -> Iterator[Window]:
    with served(learner.lab, overlay) as page:
        one = Window(browser, page.address)
        one.open()
        yield one
        severe = [line["message"] for line in browser.get_log("browser")]  # type: ignore[no-untyped-call]
        assert severe == []


def test_the_exercise_is_typed_and_steps_turn_green_in_order(window: Window) -> None:
    assert [window.is_done(str(number)) for number in range(1, 6)] == [True] * 4 + [False]
    command = "docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1"
    window.press("#step-5 .command")
    window.sees("machine1", command)
    # Enter is the learner's.
    assert not window.is_done("5")
    window.keys("machine1", Keys.ENTER)
    window.wait_done("5", "6")

    window.types("machine1", mistakes.service(1, on="machine2"))
    window.until("the mistake is told", lambda: window.all("#step-7.mistake"))
    window.press("#step-7 .deeds button")
    window.until("a hint", lambda: "Hint 1 of 3" in window.one("#step-7 .hint").text)

    def plainer() -> object:
        # Where meanwhile another mistake is seen, hints begin again.
        window.press("#step-7 .deeds button")
        window.until("it is there", lambda: not window.all(".deeds [aria-disabled=true]"))
        return window.all("#step-7 .hint button.command")

    window.until("the command that takes it back", plainer)
    window.press("#step-7 .hint button.command")
    window.sees("machine1", "docker service rm alpine-overlay1")
    window.keys("machine1", Keys.ENTER)
    window.until("it is taken back", lambda: not window.all("#step-7.mistake"))

    window.press("#step-7 .commands .command")
    window.keys("machine1", Keys.ENTER)
    window.wait_done("7", "9", "10")
    window.browser.find_element("xpath", "//li[@id='step-8']//button[.='Solve']").click()
    window.wait_done("8", "11", "12", "13", "14", "15")
    pinged = "//tbody[@id='packets']/tr[contains(., 'overlaynet1') and contains(., '172.45.')]"
    window.until("its packets", lambda: window.browser.find_elements("xpath", pinged))
    assert "overlaynet1" in window.drawn
    assert "172.45.0." in window.drawn
    for number in ("16", "17"):
        window.press(f"#step-{number} .commands .command")
        window.keys("machine1", Keys.ENTER)
        window.wait_done(number)
    assert window.one("#count").text == "17 of 17 steps"
    window.until("the report", lambda: "report.html" in window.one("#steps .report").text)
    path = Path(window.one("#steps .report code").text)
    record = store.load(path.resolve().parent)
    typed = {
        step.number: [one.command for one in step.commands if one.typed] for step in record.steps
    }
    # What was typed stands in place of ours; step 8 was solved.
    assert typed["5"] == [command]
    assert "--constraint node.id==" in typed["7"][0]
    assert (typed["8"], len(typed["16"]), len(typed["17"])) == ([], 1, 1)
    green = [one.removeprefix("step-") for one in window.noted("green")]
    assert green[:4] == ["1", "2", "3", "4"]
    assert [one for one in green if one in {"5", "7", "8", "16", "17"}] == [
        "5",
        "7",
        "8",
        "16",
        "17",
    ]
    assert any("Step 16 is done" in said for said in window.noted("heard"))

    window.press("#reset")
    window.press("#yes")
    window.until("it begins again", lambda: not window.is_done("17"))
    window.wait_done("4")
    assert not window.is_done("5")


def test_all_of_it_with_the_keyboard_alone(window: Window) -> None:
    def press(*keys: str) -> None:
        ActionChains(window.browser).send_keys(*keys).perform()

    press(Keys.F6)
    press("echo by-$((40+2))-keys", Keys.ENTER)
    window.sees("machine1", "by-42-keys")
    press(Keys.F6)
    assert "docker network create" in window.browser.switch_to.active_element.text
    press(Keys.ENTER)
    window.sees("machine1", "--subnet 172.45.0.0/16 overlaynet1")
    press(Keys.ENTER)
    window.wait_done("5")


def test_a_lost_connection_comes_back_and_a_reload_shows_what_was_printed(
    window: Window, learner: Learner
) -> None:
    window.types("machine2", "printf 'kept-%s \\033[31mÄ€✓\\033[0m\\n' here")
    window.sees("machine2", "kept-here Ä€✓")
    window.browser.refresh()
    window.until("terminals", lambda: window.all("#terminal-machine2-1-tab"))
    window.press("#terminal-machine2-1-tab")
    window.sees("machine2", "kept-here Ä€✓")
    learner.hosts[1].exec("pkill", "-f", "^sshd.*: ops")
    window.until("lost", lambda: window.all("#terminal-machine2-1[data-state=lost]"), 30)
    window.until("back", lambda: window.all("#terminal-machine2-1[data-state=open]"), 60)
    window.types("machine2", "echo again-$((40+2))")
    window.sees("machine2", "again-42")


def test_a_second_browser_without_the_token_sees_nothing(window: Window, tmp_path: Path) -> None:
    bare = window.address.partition("?")[0]
    with chromium(tmp_path / "other") as other:
        for address in (bare, f"{bare}?token=guessed", f"{bare}static/page.js"):
            other.get(address)
            assert "Open the address that `inv learn` has printed" in other.page_source
        other.get(window.address)
        window.until("the page itself", lambda: other.current_url == bare)


def test_two_windows_look_on_and_one_types_at_a_time(window: Window, tmp_path: Path) -> None:
    window.types("machine1", "echo first-$((40+2))")
    window.sees("machine1", "first-42")
    with chromium(tmp_path / "other") as browser:
        other = Window(browser, window.address)
        other.open()
        other.sees("machine1", "first-42")
        other.keys("machine1", "echo nobody-hears-this", Keys.ENTER)
        other.press("#terminal-machine1-1 header button")
        other.keys("machine1", "echo second-$((40+2))", Keys.ENTER)
        window.sees("machine1", "second-42")
        window.until(
            "it is told", lambda: "another window" in window.one("#terminal-machine1-1").text
        )
        assert "nobody-hears-this" not in window.screen("machine1")
    window.press("#terminal-machine1-1 header button")
    window.types("machine1", "echo third-$((40+2))")
    window.sees("machine1", "third-42")


def test_what_is_printed_is_copied_and_what_is_pasted_is_not_run_by_itself(window: Window) -> None:
    chrome = window.browser
    rights = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    chrome.execute_cdp_cmd("Browser.grantPermissions", {**rights, "origin": window.origin})
    window.types("machine1", "clear; printf '\\nword%s\\n' -Ä€✓")
    window.sees("machine1", "word-Ä€✓")

    def select() -> bool:
        rows = window.all("#terminal-machine1-1 .xterm-rows > div")
        row = next(one for one in rows if (one.get_attribute("textContent") or "")[:5] == "word-")
        at_word = 20 - row.rect["width"] // 2
        ActionChains(chrome).move_to_element_with_offset(row, at_word, 0).double_click().perform()
        window.with_control_and_shift("c")
        return clipboard() == "word-Ä€✓"

    def clipboard() -> str:
        text = "navigator.clipboard.readText().then(arguments[0], arguments[0])"
        found: str = chrome.execute_async_script(text)
        return found

    window.until("it is copied", select)
    assert "Copied." in (window.one("#said").get_attribute("textContent") or "")

    lines = "echo one-$((40+2)) Ä€✓日本\necho two-$((40+2))\n"
    chrome.execute_async_script(
        "navigator.clipboard.writeText(arguments[0]).then(arguments[1])", lines
    )
    window.press("#terminal-machine1-1-tab")
    window.with_control_and_shift("v")
    # The shell is told that it is pasted, and waits for Enter.
    window.sees("machine1", "echo two-$((40+2))")
    assert "one-42" not in window.screen("machine1")
    window.keys("machine1", Keys.ENTER)
    window.sees("machine1", "one-42 Ä€✓日本")
    window.sees("machine1", "two-42")


long = pytest.mark.skipif(
    os.environ.get("SWARMRIG_FAULTS") != "all",
    reason="more than a minute: SWARMRIG_FAULTS=all runs it",
)


@long
@pytest.mark.parametrize(
    ("scenario", "drawn"),
    [(attachable, "attach1"), (frozen, "frozen1")],
    ids=["attachable", "frozen"],
)
def test_an_exercise_with_containers_and_one_that_breaks_something_are_solved(
    scenario: Scenario, drawn: str, lab: Lab, two_hosts: list[Host], browser: webdriver.Chrome
) -> None:
    learner = Learner(lab, two_hosts, scenario)
    learner.forget()
    with served(lab, scenario) as page:
        window = Window(browser, page.address)
        window.open()
        for plan in scenario.steps:
            if not window.is_done(plan.number):
                window.solves(plan.number)
            window.wait_done(plan.number)
            if plan.number == "3":
                window.until(drawn, lambda: drawn in window.drawn)
        assert window.one("#count").text == f"{len(scenario.steps)} of {len(scenario.steps)} steps"
        assert not window.one("#trouble").is_displayed()
        browser.get("about:blank")
    learner.forget()


@long
def test_the_exercise_over_a_plugin_is_done_by_clicks_and_enter(
    lab: Lab, two_hosts: list[Host], browser: webdriver.Chrome
) -> None:
    settings = package.settings(host.address for host in two_hosts)
    plugin = PluginSpec(package.NAME, package.archive(), settings=settings)
    learner = Learner(dataclasses.replace(lab, weave=plugin), two_hosts, tunnel)
    with served(learner.lab, tunnel) as page:
        window = Window(browser, page.address)
        window.open()
        # A plugin from an archive is brought by Swarmrig: the book's command needs a registry.
        window.solves("1")
        window.wait_done("1", "2")
        done = {"3": ["3", "4"], "6a": ["7a"], "6b": ["5", "7b", "8a", "8b"], "9a": ["9a"]}
        for number, all_done in {**done, "9b": ["9b"]}.items():
            window.does(number)
            window.wait_done(*all_done)
        packets = window.one("#packets").get_attribute("textContent") or ""
        assert tunnel.networks[0] in packets
        window.solves("9c")
        window.wait_done("9c")
        browser.get("about:blank")
    learner.forget()


def test_nothing_is_left_on_machines(learner: Learner, browser: webdriver.Chrome) -> None:
    def sessions(host: Host) -> str:
        done = host.exec("pgrep", "-af", "^docker events|-bash|^sshd.*: ops@", check=False)
        return done.stdout

    with served(learner.lab, overlay) as page:
        window = Window(browser, page.address)
        window.open()
        window.types("machine1", "echo here-$((40+2))")
        window.sees("machine1", "here-42")
        assert "docker events" in sessions(learner.hosts[0])
        browser.get("about:blank")
    for host in learner.hosts:
        wait_for(f"nothing on {host.name}", lambda host=host: not sessions(host), 60)  # type: ignore[misc]


def test_what_is_typed_is_echoed(window: Window) -> None:
    """The median of the times is printed, for docs/testing.md: a busy computer is slow."""
    window.types("machine1", "echo ready-$((40+2)); cat > /dev/null")
    window.sees("machine1", "ready-42")
    window.browser.execute_script(STOPWATCH)
    for count, key in enumerate("abcdefghijklmnopqrst", start=1):
        window.keys("machine1", key)
        window.until("echo", lambda count=count: len(window.noted("times")) == count)
    times = sorted(float(one) for one in window.noted("times"))
    print(f"from key to screen: {times[10]:.0f} ms (median of 20), at most {times[-1]:.0f} ms")
    window.keys("machine1", Keys.CONTROL + "c")


def test_the_verb_prints_its_address_and_ends_at_ctrl_c(learner: Learner) -> None:
    command = [sys.executable, "-m", "invoke", "learn", "overlay", "--no-open"]
    with subprocess.Popen(
        [*command, f"--lab={learner.lab.file}"],
        cwd=CLONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as verb:
        assert verb.stdout is not None
        address = verb.stdout.readline().removeprefix("The page: ").strip()
        assert address.startswith("http://127.0.0.1:")
        assert requests.get(address, timeout=30).status_code == 200
        verb.send_signal(signal.SIGINT)
        said = verb.stdout.read()
        assert verb.wait(60) == 0, said
    assert "The page has ended. The lab is still up" in said
    assert not (learner.lab.state / "page.html").exists()


# The last one: the lab has a third machine then, which goes away.
def test_the_spreading_of_tasks_is_done_by_clicks_and_enter(
    two_hosts: list[Host], fabric: Fabric, lab_of: Labs, browser: webdriver.Chrome
) -> None:
    (third,) = fabric.add("machine3")
    third.load_image()
    try:
        lab = lab_of([*two_hosts, third])
        up.up(lab, quiet())
        learner = Learner(lab, [*two_hosts, third], spread)
        learner.forget()
        with served(lab, spread) as page:
            window = Window(browser, page.address)
            window.open()
            assert not window.is_done("2")
            for number in ("2", "3", "4", "5", "6", "7", "8", "9", "10"):
                window.does(number)
                # On a busy computer nodes are late, and tasks are placed unevenly.
                window.follows(number)
            assert window.one("#count").text == "10 of 10 steps"
            browser.get("about:blank")
        learner.forget()
    finally:
        fabric.remove(third)
