"""Vagrant, through python-vagrant, so that an end of ours is no end in the middle for it.

python-vagrant reads Vagrant's output from a pipe: when the reader is killed, Vagrant dies of it
half-way. Here Vagrant writes to the lab's log by itself and is followed there; its process is
noted, so that the next command can wait for it and go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import vagrant

from provision.support.errors import MachineError
from provision.support.files import write_atomic
from provision.support.lazy import lazily

if TYPE_CHECKING:
    import psutil
else:
    psutil = lazily("psutil")

# What start_new_session is on Windows, which has no sessions; 0 elsewhere.
_OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
_POLL = 0.2
_GRACE = 90.0  # seconds that Vagrant gets to end in order after an interrupt


class Runner(vagrant.Vagrant):
    """python-vagrant's Vagrant for one lab; `limit` (seconds) bounds each streamed command."""

    def __init__(self, state: Path, limit: float) -> None:
        self.log = state / "vagrant.log"
        self.journal = state / "vagrant.process.json"
        self.limit = limit
        environment = {
            **os.environ,
            "VAGRANT_DOTFILE_PATH": str(state / "vagrant"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
        }
        super().__init__(root=str(state), env=environment, err_cm=self._errors)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[object]:
        with self.log.open("ab") as out:
            yield out

    def run(self, *args: str) -> None:
        """Run a Vagrant command to its end. Raises subprocess.CalledProcessError."""
        for _ in self.stream(*args):
            pass

    def stream(self, *args: str) -> Iterator[str]:
        """The lines of a Vagrant command as they come; raises as `run`, or TimeoutExpired."""
        return self._stream_vagrant_command(args)

    def _stream_vagrant_command(self, args: Sequence[str | None]) -> Iterator[str]:
        """As python-vagrant's, but with a log that outlives us, a limit, and an orderly end."""
        command = self._make_vagrant_command(args)
        # Noted as begun: we may be killed before its number is known.
        write_atomic(self.journal, json.dumps({"pid": 0, "since": 0}))
        with self.log.open("ab") as out, heeding_interrupts():
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            out.write(f"\n--- {now} {' '.join(command)}\n".encode())
            out.flush()
            start = out.tell()
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal is ours to pass on, in order.
                start_new_session=True,
                creationflags=_OWN_GROUP,
            )
        end = time.monotonic() + self.limit
        try:
            write_atomic(
                self.journal, json.dumps({"pid": process.pid, "since": _birth(process.pid)})
            )
            with self.log.open("rb") as log:
                log.seek(start)
                yield from _follow(log, lambda: process.poll() is None and time.monotonic() < end)
            if process.poll() is None:
                raise subprocess.TimeoutExpired(command, self.limit)
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
        finally:
            _end(process)
            self.journal.unlink(missing_ok=True)

    def finish_earlier(self) -> Iterator[str]:
        """Follow a Vagrant that a killed command of ours has left at work, until it has ended."""
        try:
            noted = json.loads(self.journal.read_text())
        except (OSError, json.JSONDecodeError):
            return
        pid, since = int(noted["pid"]), float(noted["since"] or 0)
        if not pid:
            pid, since = self._begun()
        if not pid:
            self.journal.unlink(missing_ok=True)
            return
        end = time.monotonic() + self.limit
        with self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            yield from _follow(log, lambda: _is_same(pid, since) and time.monotonic() < end)
        if _is_same(pid, since):
            raise MachineError(
                f"A Vagrant of an earlier command (process {pid}) does not end.",
                f"See {self.log}; end it by hand if it hangs, and try again.",
            )
        self.journal.unlink(missing_ok=True)

    def _begun(self) -> tuple[int, float]:
        """The Vagrant at work in this lab's folder, its number and birth; (0, 0.0) for none."""
        for process in psutil.process_iter(["cwd", "cmdline", "create_time"]):
            said = process.info
            if said["cwd"] == str(self.root) and "vagrant" in " ".join(said["cmdline"] or []):
                return process.pid, float(said["create_time"])
        return 0, 0.0

    def last_words(self) -> str:
        """What Vagrant said last of what went wrong: its final paragraph, in one line."""
        with contextlib.suppress(OSError):
            text = self.log.read_text(errors="replace").replace("\r", "\n")
            last = text.rsplit("\n--- ", 1)[-1]
            paragraphs = [p.strip() for p in last.split("\n\n") if p.strip()]
            if paragraphs:
                return " ".join(paragraphs[-1].split())[-600:]
        return "it said nothing"


def _follow(log: BinaryIO, going_on: Callable[[], bool]) -> Iterator[str]:
    """The lines of a growing file while something goes on, and what is left then."""
    rest = ""
    while True:
        alive = going_on()
        chunk = log.read().decode(errors="replace")
        rest += chunk.replace("\r", "\n")
        *lines, rest = rest.split("\n")
        yield from lines
        if not alive and not chunk:
            break
        if not chunk:
            time.sleep(_POLL)
    if rest:
        yield rest


def _birth(pid: int) -> float | None:
    """When a process began, in seconds since the epoch; None when it has ended."""
    try:
        process = psutil.Process(pid)
        # A zombie has ended, whoever has yet to collect it.
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _is_same(pid: int, since: float) -> bool:
    """Whether a process goes on that began then; the system's own clock may have been set since."""
    began = _birth(pid)
    return began is not None and abs(began - since) < 2


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """What is started in the block can be interrupted, though we may be deaf to that ourselves.

    A command in the background of a script ignores SIGINT, and all that it starts would, too.
    """
    main = threading.current_thread() is threading.main_thread()
    deaf = main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if deaf:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Vagrant in order: it stops what it is at when interrupted, and is killed only later."""
    if process.poll() is not None:
        return
    for end in (_interrupt, _kill):
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            end(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """What Ctrl-C is in a terminal, for Vagrant and all that it has started."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        os.killpg(process.pid, signal.SIGINT)


def _kill(process: subprocess.Popen[bytes]) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
