"""The HTML report in a real browser: wide, on a phone, in the dark, and on paper."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from scenarios.record.model import Record
from scenarios.report.compare import write_comparison
from scenarios.report.write import write_reports
from tests.browser.contrast import lowest_contrasts
from tests.support.tier import cannot_run
from tests.unit import sample_record as samples


def _report(record: Record) -> Callable[[Path], Path]:
    return lambda folder: write_reports(record, folder) / "report.html"


def _comparison(folder: Path) -> Path:
    return write_comparison([samples.sample(), samples.weave()], folder) / "comparison.html"


def _three(folder: Path) -> Path:
    runs = [samples.node_failure(), samples.node_failure(6, "again"), samples.weave()]
    return write_comparison(runs, folder) / "comparison.html"


def _failure(folder: Path) -> Path:
    return _three(folder).with_name("failure.html")


PAGES: dict[str, Callable[[Path], Path]] = {
    "passed": _report(samples.sample()),
    "underlay blocked": _report(samples.underlay_blocked()),
    "no IPVS": _report(samples.no_ipvs()),
    "image missing": _report(samples.image_missing()),
    "hostile": _report(samples.hostile()),
    "ten hosts": _report(samples.many_hosts(10)),
    "time line": _report(samples.node_failure()),
    "comparison": _comparison,
    "three runs": _three,
    "failure": _failure,
}
every_page = pytest.mark.parametrize("make", PAGES.values(), ids=PAGES.keys())
widths = pytest.mark.parametrize("width", [1280, 768, 360])
schemes = pytest.mark.parametrize("scheme", ["light", "dark"])

# Everything that sticks out of the page at the right, boxes that scroll themselves aside, and what
# is there for screen readers only (on a phone also the heads of tables).
_STICKING_OUT = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")]
  .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > wide + 0.5)
  .filter(one => !one.closest("pre.out, .box, .unseen"))
  .filter(one => getComputedStyle(one.closest("thead") || one).position !== "absolute")
  .map(one => one.outerHTML.slice(0, 120));
"""


def _show(
    browser: webdriver.Chrome, page: Path, width: int = 1280, scheme: str = "light"
) -> list[dict[str, Any]]:
    """Open the page and give back what the browser's log of the network holds of it."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # type: ignore[no-untyped-call]
    browser.get(page.as_uri())
    entries = browser.get_log("performance")  # type: ignore[no-untyped-call]
    return [json.loads(entry["message"])["message"] for entry in entries]


@every_page
@widths
def test_nothing_sticks_out_of_the_page_at_the_side(
    browser: webdriver.Chrome,
    make: Callable[[Path], Path],
    folder: Path,
    width: int,
) -> None:
    _show(browser, make(folder), width)
    assert browser.execute_script("return innerWidth") == width
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(_STICKING_OUT) == []


@every_page
def test_the_page_loads_itself_and_nothing_else_and_says_nothing_on_the_console(
    browser: webdriver.Chrome, make: Callable[[Path], Path], folder: Path
) -> None:
    page = make(folder)
    events = _show(browser, page)
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [page.as_uri()]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@every_page
@schemes
@pytest.mark.parametrize("width", [1280, 360])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(
    browser: webdriver.Chrome,
    make: Callable[[Path], Path],
    folder: Path,
    scheme: str,
    width: int,
) -> None:
    _show(browser, make(folder), width, scheme)
    contrasts = lowest_contrasts(browser)
    assert len(contrasts) > 50
    assert [one for one in contrasts if one[0] < 4.5] == []


def test_the_dark_scheme_is_dark_and_the_light_one_light(
    browser: webdriver.Chrome, folder: Path
) -> None:
    page = PAGES["passed"](folder)
    seen = {}
    for scheme in ("light", "dark"):
        _show(browser, page, scheme=scheme)
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        seen[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert seen["dark"] < 120
    assert seen["light"] > 650


def test_long_outputs_scroll_inside_their_own_box_and_by_keyboard(
    browser: webdriver.Chrome, folder: Path
) -> None:
    _show(browser, PAGES["passed"](folder), 360)
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('details[open] pre.out')]"
        ".filter(one => one.scrollWidth > one.clientWidth).map(one => one.tabIndex)"
    )
    assert boxes
    assert set(boxes) == {0}


def test_short_and_failed_outputs_are_open_and_long_ones_closed(
    browser: webdriver.Chrome, folder: Path
) -> None:
    _show(browser, PAGES["underlay blocked"](folder))
    found = browser.execute_script(
        "return [...document.querySelectorAll('.cmd details')].map(one =>"
        " [one.open, one.querySelector('pre').textContent.trimEnd().split('\\n').length,"
        " !!one.querySelector('summary b')])"
    )
    assert {opened for opened, lines, failed in found if lines <= 7 or failed} == {True}
    assert {opened for opened, lines, failed in found if lines > 7 and not failed} == {False}


def test_the_steps_in_the_verdict_lead_to_the_steps(
    browser: webdriver.Chrome, folder: Path
) -> None:
    _show(browser, PAGES["underlay blocked"](folder))
    browser.execute_script("document.querySelector('.first a').click()")
    title = browser.execute_script("return document.querySelector(':target h3').innerText")
    assert "Ping the address of alpine-overlay1's task from machine2" in title


def test_a_hostile_record_runs_no_script(browser: webdriver.Chrome, folder: Path) -> None:
    _show(browser, PAGES["hostile"](folder))
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0


@pytest.mark.parametrize("width", [1280, 360])
def test_one_topology_is_shown_at_a_time_and_readable(
    browser: webdriver.Chrome, folder: Path, width: int
) -> None:
    _show(browser, PAGES["passed"](folder), width)
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.picture svg')].filter(one => one.checkVisibility())"
        ".map(one => [one.getAttribute('class'), one.getBoundingClientRect().width"
        " / one.viewBox.baseVal.width])"
    )
    (kind, scale), *others = shown
    assert others == []
    assert kind == ("wide" if width == 1280 else "narrow")
    assert scale > 0.85  # text of 12 px stays above 10 px


def test_on_paper_every_detail_is_open(browser: webdriver.Chrome, folder: Path) -> None:
    if not shutil.which("pdftotext"):
        cannot_run("no pdftotext (Debian: apt install poppler-utils)")
    _show(browser, PAGES["passed"](folder))
    paper = {"preferCSSPageSize": True, "paperWidth": 8.27, "paperHeight": 11.69}
    printed = browser.execute_cdp_cmd("Page.printToPDF", paper)
    pdf = folder / "report.pdf"
    pdf.write_bytes(base64.b64decode(printed["data"]))
    told = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout
    inspected = '"IPPrefixLen": 16'  # the last line that counts of an output that is closed
    _show(browser, PAGES["passed"](folder))
    assert browser.execute_script(
        "return [...document.querySelectorAll('details:not([open])')]"
        ".some(one => one.textContent.includes(arguments[0]))",
        inspected,
    )
    assert told.count(inspected) == 2
    assert "Linux 6.1.0-40-cloud-amd64" in " ".join(told.split())


@pytest.mark.parametrize("width", [1280, 420, 320])
@pytest.mark.parametrize("name", ["time line", "failure"])
def test_words_of_lanes_keep_their_size_and_stay_in_the_picture(
    browser: webdriver.Chrome, folder: Path, name: str, width: int
) -> None:
    _show(browser, PAGES[name](folder), width)
    texts = browser.execute_script(
        "const box = document.querySelector('.lanes svg').getBoundingClientRect();"
        "return [...document.querySelectorAll('.lanes > svg text')]"
        ".filter(one => one.checkVisibility()).map(one => {"
        "  const at = one.getBoundingClientRect();"
        "  return [one.textContent, parseFloat(getComputedStyle(one).fontSize),"
        "          at.left - box.left, box.right - at.right]})"
    )
    assert len(texts) > 10
    assert [one for one in texts if one[1] < 12] == []
    assert [one for one in texts if one[2] < -1 or one[3] < -1] == []


def test_the_table_of_a_time_line_opens_by_keyboard(
    browser: webdriver.Chrome, folder: Path
) -> None:
    _show(browser, PAGES["time line"](folder), 420)
    summary = browser.find_element("css selector", "section[aria-labelledby=changes] summary")
    table = browser.find_element("css selector", "section[aria-labelledby=changes] details table")
    assert not table.is_displayed()
    for _ in range(200):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element == summary:
            break
    else:
        pytest.fail("the Tab key does not reach it")
    summary.send_keys(Keys.ENTER)
    assert table.is_displayed()
    assert "heartbeat failure" in table.text


def test_bars_of_different_tones_differ_without_their_colour(
    browser: webdriver.Chrome, folder: Path
) -> None:
    _show(browser, PAGES["time line"](folder))
    shapes = browser.execute_script(
        "return Object.fromEntries(['good', 'warn', 'bad', 'idle'].map(tone => {"
        "  const one = document.querySelector(`.lanes > svg .bar.${tone}`);"
        "  const style = getComputedStyle(one);"
        "  return [tone, [one.getAttribute('height'), style.stroke != 'none',"
        "                 style.strokeDasharray != 'none'].join()]}))"
    )
    assert len(set(shapes.values())) == 4
