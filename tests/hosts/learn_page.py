"""The page of `inv learn` in a real browser, over light hosts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from provision.lab.model import Lab
from provision.lifecycle import rebuild, running
from scenarios.cli.page import Handed, Page
from scenarios.kit.scenario import Scenario
from scenarios.page import server
from tests.hosts.light_hosts import wait_for

# Notes every step that turns green, in that order, and what is said to screen readers.
_WATCH = """
window.green = [...document.querySelectorAll(".step.done")].map(one => one.id);
window.heard = [];
new MutationObserver(() => {
  for (const one of document.querySelectorAll(".step.done"))
    if (!window.green.includes(one.id)) window.green.push(one.id);
}).observe(document.getElementById("steps"), {subtree: true, attributes: true});
new MutationObserver(() => window.heard.push(document.getElementById("said").textContent))
  .observe(document.getElementById("said"), {childList: true});
"""

# From each key's event to the change of the screen that shows it.
STOPWATCH = """
const rows = document.querySelector("#terminal-machine1-1 .xterm-rows");
window.times = [];
let begun = 0, last = "";
document.addEventListener("keydown", event => {
  begun = performance.now();
  last = event.key;
}, true);
new MutationObserver(() => {
  if (!begun || !rows.textContent.trimEnd().endsWith(last)) return;
  window.times.push(performance.now() - begun);
  begun = 0;
}).observe(rows, {subtree: true, childList: true, characterData: true});
"""


@contextlib.contextmanager
def served(lab: Lab, scenario: Scenario) -> Iterator[Page]:
    """The page as `inv learn` serves it."""

    def up(_: str) -> None:
        raise AssertionError("the lab is up")

    handed = Handed(running.viewed, running.opened, up, rebuild.to_ready, rebuild.rebuild)
    with contextlib.closing(server.listening(0)) as listener:
        page = Page(handed, lab, scenario, listener.getsockname()[1])
        thread = threading.Thread(target=page.server.run, args=[[listener]])
        with page:
            thread.start()
            try:
                yield page
            finally:
                page.server.should_exit = True
                thread.join()


@dataclass
class Window:
    """What somebody sees and does who has the page open."""

    browser: webdriver.Chrome
    address: str

    def open(self) -> None:
        self.browser.get(self.address)
        self.until("the steps are shown", lambda: self.all("#steps .step.next"))
        self.browser.execute_script(_WATCH)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, what: str, so: object, patience: float = 120) -> None:
        def tried() -> object:
            try:
                return so()  # type: ignore[operator]
            except WebDriverException:
                return False

        wait_for(what, tried, patience)

    def press(self, selector: str) -> None:
        def free() -> bool:
            one = self.one(selector)
            return one.is_displayed() and one.get_attribute("aria-disabled") != "true"

        self.until(selector, free)
        self.one(selector).click()

    def is_done(self, number: str) -> bool:
        return "done" in (self.one(f"#step-{number}").get_attribute("class") or "").split()

    def wait_done(self, *numbers: str) -> None:
        for number in numbers:
            try:
                self.until(f"step {number} is green", lambda n=number: self.is_done(n))
            except TimeoutError as late:
                panes = [pane.get_attribute("textContent") for pane in self.all(".xterm-rows")]
                late.add_note(f"{self.one(f'#step-{number}').text}\n{panes}")
                raise

    def keys(self, machine: str, *keys: str) -> None:
        self.one(f"#terminal-{machine}-1 textarea").send_keys(*keys)

    def types(self, machine: str, command: str) -> None:
        """Type a whole command on a machine."""
        self.press(f"#terminal-{machine}-1-tab")
        self.keys(machine, command, Keys.ENTER)

    def does(self, number: str) -> None:
        """Click on each command of a step, and press Enter where it was typed."""
        self.until(f"the commands of step {number}", lambda: self._commands(number))
        for one in self._commands(number):
            machine = one.find_element(By.CSS_SELECTOR, ".on").text
            one.click()
            self.keys(machine, Keys.ENTER)

    def _commands(self, number: str) -> list[WebElement]:
        shown = self.all(f"#step-{number} .commands button.command")
        return [one for one in shown if one.is_displayed()]

    def follows(self, number: str) -> None:
        """Wait until a step is green; where a mistake is seen, type what its hint says."""
        command = f"#step-{number} .hint button.command"
        typed: list[str] = []

        def settled() -> bool:
            if self.is_done(number):
                return True
            if self.all(".deeds [aria-disabled=true]") or typed:
                return False
            if shown := [one for one in self.all(command) if one.is_displayed()]:
                typed.append(shown[0].find_element(By.CSS_SELECTOR, ".on").text)
                shown[0].click()
                self.keys(typed[0], Keys.ENTER)
            elif self.all(f"#step-{number}.mistake"):
                self.one(f"#step-{number} .deeds button").click()
            return False

        self.until(f"step {number} is green", settled)

    def solves(self, number: str) -> None:
        """Press Solve of a step."""
        self.until("nothing else is done", lambda: not self.all(".deeds [aria-disabled=true]"))
        self.until(f"Solve of step {number}", lambda: self._pressed_solve(number))

    def _pressed_solve(self, number: str) -> bool:
        button = f"//li[@id='step-{number}']//button[.='Solve']"
        self.browser.find_element(By.XPATH, button).click()
        return True

    @property
    def drawn(self) -> str:
        """The text of the topology."""
        return str(self.one("#picture").get_attribute("textContent"))

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    def with_control_and_shift(self, key: str) -> None:
        held = ActionChains(self.browser).key_down(Keys.CONTROL).key_down(Keys.SHIFT)
        held.send_keys(key).key_up(Keys.SHIFT).key_up(Keys.CONTROL).perform()

    def screen(self, machine: str, number: int = 1) -> str:
        """What the terminal shows; lines that it has broken are whole again."""
        rows = self.all(f"#terminal-{machine}-{number} .xterm-rows > div")
        return "".join(row.get_attribute("textContent") or "" for row in rows)

    def sees(self, machine: str, text: str) -> None:
        self.until(f"{machine} shows {text!r}", lambda: text in self.screen(machine))

    def noted(self, name: str) -> list[str]:
        found: list[str] = self.browser.execute_script(f"return window.{name}")
        return found
