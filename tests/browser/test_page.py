"""The page of `inv learn` in a real browser, wide and narrow, light and dark, with hostile text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from scenarios.report.topology import narrow_of
from tests.browser.contrast import lowest_contrasts
from tests.hosts.light_hosts import wait_for
from tests.unit import sample_record as samples
from tests.unit.scenarios.page.serving import TOKEN, Site, served

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
EXERCISE = {
    "lab": "book",
    "scenario": "overlay",
    "number": "6.04",
    "title": f"Overlay networks {HOSTILE}",
    "summary": [["text", "Two services share "], ["code", HOSTILE]],
    "steps": [
        {
            "number": str(n),
            "title": f"Step {n}",
            "why": [["text", HOSTILE]],
            "machines": ["machine1"],
        }
        for n in range(1, 5)
    ],
}
COMMAND = {"machine": "machine1", "text": f"docker network ls {HOSTILE}", "whole": True}
PACKET = {
    "number": 1,
    "at": 1795800000.5,
    "machine": "machine1",
    "outer_source": "10.0.0.1",
    "outer_destination": "10.0.0.2",
    "encapsulation": "VXLAN",
    "vni": 4097,
    "network": HOSTILE,
    "inner_source": "172.45.0.3",
    "inner_destination": "172.45.0.6",
    "protocol": "ICMP echo request",
    "size": 148,
}


def look(done: int) -> dict[str, Any]:
    """The exercise with so many steps done; the next one has a mistake in it."""
    return {
        "done": done,
        "next": str(done + 1),
        "names": [HOSTILE],
        "steps": [
            {
                "number": str(n),
                "state": "done" if n <= done else "open",
                "at": "2026-11-24T14:49:23+00:00" if n <= done else "",
                "why_not": "" if n <= done else HOSTILE,
                "mistake": n == done + 1,
                "commands": [COMMAND],
            }
            for n in range(1, 5)
        ],
    }


@pytest.fixture
def site(browser: webdriver.Chrome) -> Iterator[Site]:
    with served() as one:
        for kind, value in {
            "exercise": EXERCISE,
            "machines": ["machine1", "machine2"],
            "look": look(2),
            "picture": asdict(narrow_of(samples.hostile().topology)),
            "packets": {"rows": [PACKET], "seen": []},
            "hint": {
                "step": "3",
                "stage": 2,
                "of": 3,
                "says": [["text", HOSTILE]],
                "undo": [COMMAND],
                "commands": [{**COMMAND, "whole": False}],
            },
            "work": {
                "what": "Doing step 3",
                "over": True,
                "lines": [{"who": "machine1", "says": HOSTILE, "state": "failed"}],
                "error": {"says": HOSTILE, "advice": HOSTILE},
            },
            "trouble": {"says": HOSTILE, "advice": ""},
        }.items():
            one.board.put(kind, value)
        yield one
        browser.get("about:blank")


def opened(
    browser: webdriver.Chrome,
    site: Site,
    width: int,
    scheme: str = "light",
    features: Sequence[dict[str, str]] = (),
) -> None:
    wanted = [{"name": "prefers-color-scheme", "value": scheme}, *features]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(f"http://{site.host}/?token={TOKEN}")
    wait_for("the steps", lambda: shown(browser, "document.querySelectorAll('.step.done').length"))


def shown(browser: webdriver.Chrome, expression: str) -> Any:
    return browser.execute_script(f"return {expression}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 360])
def test_nothing_is_cut_off_and_text_has_contrast(
    browser: webdriver.Chrome, site: Site, width: int, scheme: str
) -> None:
    opened(browser, site, width, scheme)
    assert shown(browser, "document.documentElement.scrollWidth") == width
    assert [one for one in lowest_contrasts(browser) if one[0] < 4.5] == []
    beneath = """(() => {
      document.getElementById("beside").click();
      const bottom = one => one.getBoundingClientRect().bottom;
      const panes = [...document.querySelectorAll(".pane")].map(bottom);
      return document.getElementById("wires").getBoundingClientRect().top - Math.max(...panes);
    })()"""
    assert shown(browser, beneath) >= 0
    terminals = shown(browser, "getComputedStyle(document.getElementById('machines')).display")
    assert (terminals == "none") == (width == 360)


def test_a_file_that_leads_to_the_address_opens_the_page(
    browser: webdriver.Chrome, site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    address = f"http://{site.host}/?token={TOKEN}"
    file.write_text(f'<meta http-equiv="refresh" content="0; url={address}">')
    browser.get(file.as_uri())
    wait_for("the steps", lambda: shown(browser, "document.querySelectorAll('.step').length"))
    assert browser.current_url == f"http://{site.host}/"


def test_no_text_of_machines_becomes_html(browser: webdriver.Chrome, site: Site) -> None:
    opened(browser, site, 1280)
    assert shown(browser, "document.querySelectorAll('img, main script').length") == 0
    assert "<img src=x" in shown(browser, "document.getElementById('packets').textContent")
    assert "owned" not in browser.title.partition("<img")[0]


def test_a_browser_runs_no_script_that_got_into_the_text(
    browser: webdriver.Chrome, site: Site
) -> None:
    """What would happen if some text became HTML after all: no script of it runs."""
    opened(browser, site, 1280)
    tried = """
      const done = arguments[0];
      const all = [];
      const attempt = (deed) => {
        try { deed(); all.push("done"); } catch (error) { all.push(error.name); }
      };
      attempt(() => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='owned=1'>"));
      attempt(() => document.body.setAttribute("onclick", "owned=3"));
      const script = document.createElement("script");
      attempt(() => { script.textContent = "owned=4"; });
      attempt(() => document.body.append(script));
      const elsewhere = document.createElement("script");
      attempt(() => { elsewhere.src = "http://127.0.0.1:9/x.js"; });
      document.body.click();
      setTimeout(() => done([all, typeof owned]), 300);
    """
    all_of_it, owned = browser.execute_async_script(tried)
    assert (all_of_it, owned) == (
        ["TypeError", "TypeError", "TypeError", "done", "TypeError"],
        "undefined",
    )
    browser.get_log("browser")  # type: ignore[no-untyped-call]


def test_the_page_asks_nobody_else(browser: webdriver.Chrome, site: Site) -> None:
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    opened(browser, site, 1280)
    log = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events = [json.loads(line["message"])["message"] for line in log]
    asked = {
        event["params"]["request"]["url"].partition("?")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert asked
    assert all(url.startswith((f"http://{site.host}/", "about:")) for url in asked), asked


def test_a_step_that_turns_green_is_told_to_screen_readers(
    browser: webdriver.Chrome, site: Site
) -> None:
    opened(browser, site, 1280)
    site.board.put("look", look(3))
    said = "document.querySelector('#said[aria-live=polite]').textContent"
    wait_for("it is said", lambda: "Step 3 is done: Step 3." in shown(browser, said))
    assert "Next: step 4" in shown(browser, said)


def test_controls_have_names_and_can_be_reached_with_the_keyboard(
    browser: webdriver.Chrome, site: Site
) -> None:
    opened(browser, site, 1280)
    nameless = """[...document.querySelectorAll("button, a, input, textarea")]
      .filter(one => one.checkVisibility() && !one.ariaLabel && !one.textContent.trim()
        && !one.labels?.length).map(one => one.outerHTML)"""
    assert shown(browser, nameless) == []
    unreachable = """[...document.querySelectorAll("button, a, input")]
      .filter(one => one.checkVisibility() && one.tabIndex < 0 && one.role !== "tab").length"""
    assert shown(browser, unreachable) == 0


def focus_after(browser: webdriver.Chrome, *keys: str) -> str:
    """What has the keyboard after these keys: its id, or that of what it is in."""
    ActionChains(browser).send_keys(*keys).perform()
    found: str = shown(browser, "document.activeElement.closest('[id]').id")
    return found


def test_the_keyboard_goes_through_the_page_in_its_order_and_reaches_all_of_it(
    browser: webdriver.Chrome, site: Site
) -> None:
    opened(browser, site, 1280)
    # Nothing has the keyboard yet: the first Tab leads to the first control.
    order = [focus_after(browser, Keys.TAB) for _ in range(4)]
    assert order[:2] == ["reset", "rebuild"]
    assert set(order[2:]) <= {"work", "step-1"}
    # Terminals take Tab for themselves, so F6 leads into them and out of them.
    assert focus_after(browser, Keys.F6).startswith("terminal-machine1-1")
    assert focus_after(browser, Keys.TAB).startswith("terminal-machine1-1")
    assert "F6" in shown(browser, "document.activeElement.ariaLabel")
    assert focus_after(browser, Keys.F6) == "step-3"

    def packets() -> str:
        keys = ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.F6).key_up(Keys.SHIFT)
        keys.perform()
        return focus_after(browser)

    assert packets() == "wires"
    assert focus_after(browser, Keys.TAB) == "underlay"
    assert focus_after(browser, Keys.F6) == "step-3"
    focus_after(browser, Keys.F6)
    assert packets() == "wires"
    # Tabs are one stop, and arrows go from one to the other.
    browser.execute_script("document.getElementById('terminal-machine1-1-tab').focus()")
    assert focus_after(browser, Keys.ARROW_RIGHT) == "terminal-machine2-1-tab"
    assert focus_after(browser, Keys.ARROW_RIGHT) == "terminal-machine1-1-tab"
    roles = "[...document.querySelectorAll('[role=tablist] > *')].map(one => one.role)"
    assert set(shown(browser, roles)) == {"tab"}


def test_a_question_takes_the_keyboard_and_gives_it_back(
    browser: webdriver.Chrome, site: Site
) -> None:
    opened(browser, site, 1280)
    browser.execute_script("document.getElementById('rebuild').focus()")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert shown(browser, "document.activeElement.textContent") == "Cancel"
    assert shown(browser, "document.getElementById('ask').open")
    assert focus_after(browser, Keys.ESCAPE) == "rebuild"
    assert not shown(browser, "document.getElementById('ask').open")
    ActionChains(browser).send_keys(Keys.ENTER, Keys.TAB, Keys.ENTER).perform()
    wait_for("it is asked for", lambda: site.done == [("rebuild", "")])


def test_headings_leave_no_level_out(browser: webdriver.Chrome, site: Site) -> None:
    opened(browser, site, 1280)
    browser.execute_script("document.getElementById('notes').remove()")
    levels = """[...document.querySelectorAll("h1, h2, h3, h4")]
      .filter(one => one.checkVisibility()).map(one => Number(one.tagName[1]))"""
    found = shown(browser, levels)
    assert found[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(found))


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_who_wants_no_motion(
    browser: webdriver.Chrome, site: Site, motion: str
) -> None:
    features = [{"name": "prefers-reduced-motion", "value": motion}]
    opened(browser, site, 1280, features=features)
    browser.execute_script("document.querySelector('.xterm-helper-textarea').focus()")
    moving = """[...document.querySelectorAll("*")].filter(one => {
      const style = getComputedStyle(one);
      return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
    }).length + document.querySelectorAll(".xterm-cursor-blink").length"""
    wait_for(
        "the cursor", lambda: shown(browser, "document.querySelectorAll('.xterm-cursor').length")
    )
    assert bool(shown(browser, moving)) == (motion != "reduce")


def test_a_server_that_has_ended_is_told_of_and_its_return_is_seen(
    browser: webdriver.Chrome, site: Site
) -> None:
    trouble = "document.getElementById('trouble').innerText"
    with served() as first:
        first.board.put("exercise", EXERCISE)
        first.board.put("look", look(2))
        opened(browser, first, 1280)
    wait_for("it is told", lambda: "does not answer" in shown(browser, trouble))
    assert "start it again and open the address" in shown(browser, trouble)
    with served(first.port) as again:
        again.board.put("exercise", EXERCISE)
        again.board.put("look", look(3))
        wait_for(
            "it is back",
            lambda: shown(browser, "document.querySelectorAll('.step.done').length") == 3,
        )
        assert shown(browser, "document.getElementById('trouble').hidden")
        browser.get("about:blank")
