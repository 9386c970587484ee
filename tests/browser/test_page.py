"""The page of `inv learn` in a real browser, wide and narrow, light and dark, with hostile text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

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


def opened(browser: webdriver.Chrome, site: Site, width: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
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
