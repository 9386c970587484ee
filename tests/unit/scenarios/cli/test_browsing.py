"""Opening the page: the token on no command line, and browsers that cannot show it."""

from __future__ import annotations

import platform
import stat
import threading
import webbrowser
from pathlib import Path

import pytest

from scenarios.cli.browsing import browsing

ADDRESS = "http://127.0.0.1:8000/?token=secret"


class Browser:
    """What the standard library found; `opened` is what it was asked to open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.name = name
        self.opened: list[str] = []
        self.asked = threading.Event()
        monkeypatch.setattr(platform, "release", lambda: "6.1.0-40-amd64")
        monkeypatch.setattr(webbrowser, "get", self.get)
        monkeypatch.setattr(webbrowser, "open", self.open)

    def get(self) -> Browser:
        if not self.name:
            raise webbrowser.Error("could not locate runnable browser")
        return self

    def open(self, url: str) -> bool:
        self.opened.append(url)
        self.asked.set()
        return True


def test_a_browser_is_opened_with_a_file_of_this_user_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    browser = Browser(monkeypatch, "xdg-open")
    file = tmp_path / "page.html"
    with browsing(ADDRESS, tmp_path):
        assert browser.asked.wait(60)
        assert browser.opened == [file.as_uri()]
        assert "secret" not in browser.opened[0]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert ADDRESS in file.read_text()
    assert not file.exists()


@pytest.mark.parametrize("name", ["", "/usr/bin/w3m", "www-browser", "lynx"])
def test_without_a_graphical_browser_nothing_is_opened_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    browser = Browser(monkeypatch, name)
    with browsing(ADDRESS, tmp_path):
        assert not list(tmp_path.iterdir())
    assert browser.opened == []
    assert "No graphical browser was found" in capsys.readouterr().out


def test_windows_browsers_cannot_open_a_file_of_wsl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser(monkeypatch, "xdg-open")
    monkeypatch.setattr(platform, "release", lambda: "5.15.153.1-microsoft-standard-WSL2")
    with browsing(ADDRESS, tmp_path):
        assert not list(tmp_path.iterdir())
    assert browser.opened == []
    assert "open the address in the browser of Windows" in capsys.readouterr().out
