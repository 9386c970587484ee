"""What is going on, a line per machine with its phase and time: live on a terminal, else printed.

The stages tell a `Progress` what they do and never print by themselves.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_MARKS = {"done": ("✓", "green"), "failed": ("✗", "red")}


class Progress:
    """Tells phases of machines. Safe to call from many threads.

    As a context manager it holds a live table on a terminal. Elsewhere (a pipe, CI) each change of
    a phase is one printed line, so that a log reads well.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None
        self._begin = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._table, console=self.console, refresh_per_second=8
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[Console]:
        """The console alone, for a question to the person before it."""
        live, self._live = self._live, None
        if live:
            live.stop()
        try:
            yield self.console
        finally:
            if live:
                self.__enter__()

    def say(self, text: str) -> None:
        """One line about the whole lab: a choice made, and why."""
        self.console.print(text, markup=False, soft_wrap=True)

    def phase(self, machine: str, text: str) -> None:
        """`machine` has entered a phase, in a few words: "booting", "installing Docker"."""
        self._set(machine, text, "running")

    def done(self, machine: str, text: str = "ready") -> None:
        self._set(machine, text, "done")

    def failed(self, machine: str, text: str) -> None:
        self._set(machine, text, "failed")

    def _set(self, machine: str, text: str, state: str) -> None:
        with self._lock:
            row = self._rows.setdefault(machine, _Row())
            if (row.text, row.state) == (text, state):
                return
            row.text, row.state, row.since = text, state, time.monotonic()
        if not self._live:
            mark = _MARKS.get(state, ("·", ""))[0]
            seconds = time.monotonic() - self._begin
            self.console.print(
                f"{seconds:6.1f}s {mark} {machine}: {text}", markup=False, soft_wrap=True
            )

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for name, row in self._rows.items():
                mark: Text | Spinner = (
                    Text(*_MARKS[row.state]) if row.state in _MARKS else Spinner("dots")
                )
                end = row.since if row.state in _MARKS else time.monotonic()
                table.add_row(
                    mark, Text(name, style="bold"), Text(row.text), f"{end - row.begin:.0f}s"
                )
        return table


class _Row:
    def __init__(self) -> None:
        self.text = ""
        self.state = ""
        self.begin = self.since = time.monotonic()
