"""Opening the page in the browser, where there is one."""

from __future__ import annotations

import contextlib
import platform
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path, PurePath

from provision.support import terminal
from provision.support.files import write_atomic

# Browsers in the terminal run no scripts, and would take the terminal of `inv learn` for their own.
_IN_TERMINAL = {"www-browser", "links", "elinks", "lynx", "w3m"}


def why_not() -> str:
    """Why no browser is opened, "" where one is."""
    if "microsoft" in platform.release().lower():
        # Windows' browsers reach 127.0.0.1 of WSL, and not its files by their names.
        return "This is WSL: open the address in the browser of Windows."
    try:
        name = getattr(webbrowser.get(), "name", "")
    except webbrowser.Error:
        name = ""
    else:
        if PurePath(name).name not in _IN_TERMINAL:
            return ""
    return "No graphical browser was found: open the address in one on this host."


@contextlib.contextmanager
def browsing(address: str, folder: Path) -> Iterator[None]:
    """The browser is opened with a file of this user's that leads to the address: what stands on
    a browser's command line, the token say, everybody on this host can read."""
    if why := why_not():
        terminal.say(why)
        yield
        return
    # A browser that is a snap reads neither hidden folders of the home nor what is outside of it.
    terminal.say("The browser opens it. If it shows no page, paste the address as a whole.")
    text = f'<meta http-equiv="refresh" content="0; url={address}">'
    file = write_atomic(folder / "page.html", text, mode=0o600)
    threading.Thread(target=webbrowser.open, args=[file.as_uri()], daemon=True).start()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
