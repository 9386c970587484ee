"""Vagrant, through python-vagrant, in a way that it finishes its work when we are killed.

python-vagrant reads Vagrant's output from a pipe: when the reader is killed, Vagrant dies of it
half-way. Here Vagrant writes to the lab's log by itself and is followed there; its process is
noted, so that the next command can wait for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import vagrant

from provision.providers.vagrant import output
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


# Variables of the user's other work that would lead Vagrant to another Vagrantfile or provider,
# or put lines of another kind into the output that is read here.
# Source: https://developer.hashicorp.com/vagrant/docs/other/environmental-variables
_FOREIGN = frozenset(
    {
        "VAGRANT_ALIAS_FILE",
        "VAGRANT_CWD",
        "VAGRANT_DEBUG_LAUNCHER",
        "VAGRANT_DEFAULT_PROVIDER",
        "VAGRANT_DEFAULT_TEMPLATE",
        "VAGRANT_FORCE_COLOR",
        "VAGRANT_LOG",
        "VAGRANT_LOG_TIMESTAMP",
        "VAGRANT_PREFERRED_PROVIDERS",
        "VAGRANT_VAGRANTFILE",
        "BUNDLE_GEMFILE",
        "RUBYLIB",
        "RUBYOPT",
    }
)


def environment() -> dict[str, str]:
    """Our own environment as Vagrant gets it.

    Its Ruby fails at a folder's name with an umlaut where the locale is C, or is not installed.
    """
    ours = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
    letters = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    return {
        **ours,
        "LC_ALL": letters,
        "LANGUAGE": "C",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_NO_COLOR": "1",
    }


class Runner(vagrant.Vagrant):
    """python-vagrant's Vagrant for one lab; `limit` (seconds) bounds each streamed command.

    `experiments` are features of Vagrant that have to be turned on, as its variable names them.
    """

    def __init__(self, state: Path, limit: float, experiments: str = "") -> None:
        self.log = state / "vagrant.log"
        self.journal = state / "vagrant.process.json"
        self.limit = limit
        own = {**environment(), "VAGRANT_DOTFILE_PATH": str(state / "vagrant")}
        if experiments:
            asked = [own.get("VAGRANT_EXPERIMENTAL"), experiments]
            own["VAGRANT_EXPERIMENTAL"] = ",".join(word for word in asked if word)
        super().__init__(root=str(state), env=own, err_cm=self._errors)

    def _make_vagrant_command(self, args: Sequence[str | None]) -> list[str]:
        """With --no-tty Vagrant neither repaints percentages nor asks questions."""
        return [*super()._make_vagrant_command(args), "--no-tty"]

    def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
        """As python-vagrant's, which reads Vagrant's UTF-8 as the locale has it."""
        with self.err_cm() as errors:
            command = self._make_vagrant_command(args)
            said = subprocess.check_output(command, cwd=self.root, env=self.env, stderr=errors)
        return said.decode("utf-8", errors="surrogateescape")

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

    def _start(self, command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
        """Start Vagrant; its process, and where in the log its output begins."""
        # Noted as begun: we may be killed before its process id is known.
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
        return process, start

    def _stream_vagrant_command(self, args: Sequence[str | None]) -> Iterator[str]:
        """As python-vagrant's, but with a log that outlives us, a limit, and an orderly end."""
        command = self._make_vagrant_command(args)
        process, start = self._start(command)
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
            if process.poll() is not None:
                self._compact_log()
            self.journal.unlink(missing_ok=True)

    def _compact_log(self) -> None:
        """Thin out repaints in the log. Only for when no Vagrant writes to it."""
        with contextlib.suppress(OSError):
            raw = self.log.read_bytes()
            if b"\r" in raw or b"\x1b" in raw or raw.count(b"Progress: ") > 2:
                text = output.compact(raw.decode(errors="replace"))
                write_atomic(self.log, text, mode=stat.S_IMODE(self.log.stat().st_mode))

    def finish_earlier(self, waiting: Callable[[int], None] = lambda _: None) -> Iterator[str]:
        """Follow a Vagrant that a killed command of ours has left running, until it has ended.

        `waiting` is called with its process id before the wait. Raises MachineError where it does
        not end within the limit.
        """
        try:
            noted = json.loads(self.journal.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return
        pid, since = int(noted["pid"]), float(noted["since"] or 0)
        if not pid:
            pid, since = self._begun()
        if not pid:
            self.journal.unlink(missing_ok=True)
            return
        if _is_same(pid, since):
            waiting(pid)
        end = time.monotonic() + self.limit
        with self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            yield from _follow(log, lambda: _is_same(pid, since) and time.monotonic() < end)
        if _is_same(pid, since):
            raise MachineError(
                f"Vagrant, started by an earlier command (process {pid}), does not end.",
                f"See {self.log}; end the process if it hangs, and try again.",
            )
        self._compact_log()
        self.journal.unlink(missing_ok=True)

    def end_earlier(self, ending: Callable[[int], None]) -> None:
        """End a Vagrant that a killed command of ours has left running, if it is certainly ours.

        It is interrupted, as by Ctrl-C, and asked to terminate where it has not ended then.
        `ending` is called with its process id before. `finish_earlier` waits for what remains.
        """
        try:
            noted = json.loads(self.journal.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return
        pid, since = int(noted["pid"]), float(noted["since"] or 0)
        if sys.platform == "win32" or not self._certainly_ours(pid, since):
            return
        ending(pid)
        for number in (signal.SIGINT, signal.SIGTERM):
            if self._certainly_ours(pid, since):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
            end = time.monotonic() + _GRACE
            while _is_same(pid, since) and time.monotonic() < end:
                time.sleep(_POLL)

    def _certainly_ours(self, pid: int, since: float) -> bool:
        """Whether a process is the one that was noted: a Vagrant of this user, for this lab."""
        if not pid or not _is_same(pid, since):
            return False
        try:
            process = psutil.Process(pid)
            return (
                process.username() == psutil.Process().username()
                and process.cwd() == str(Path(self.root).resolve())
                and "vagrant" in " ".join(process.cmdline())
                # It leads the group in which it was started.
                and os.getpgid(pid) == pid
            )
        except (psutil.Error, ProcessLookupError):
            return False

    def _begun(self) -> tuple[int, float]:
        """The Vagrant that runs in this lab's folder: id and start time; (0, 0.0) for none."""
        root = str(Path(self.root).resolve())  # as the system names a process's folder
        for process in psutil.process_iter(["cwd", "cmdline", "create_time"]):
            info = process.info
            if info["cwd"] == root and "vagrant" in " ".join(info["cmdline"] or []):
                return process.pid, float(info["create_time"])
        return 0, 0.0

    def last_words(self) -> str:
        """Vagrant's error message, from its first line on; shortened where it is long."""
        with contextlib.suppress(OSError):
            if text := output.error_message(self.log.read_text(encoding="utf-8", errors="replace")):
                return text
        return "it printed no message"


def _follow(log: BinaryIO, running: Callable[[], bool]) -> Iterator[str]:
    """The lines of a growing file while its writer runs, and those that are left then."""
    rest = ""
    while True:
        alive = running()
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
    """When a process started, in seconds since the epoch; None when it has ended."""
    try:
        process = psutil.Process(pid)
        # A zombie has ended, whoever has yet to collect it.
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _is_same(pid: int, since: float) -> bool:
    """Whether a process that began then still runs; the clock may have been adjusted since."""
    began = _birth(pid)
    return began is not None and abs(began - since) < 2


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """What is started in the block can be interrupted, though we may ignore interrupts ourselves.

    A command in the background of a script ignores SIGINT, and all that it starts would, too.
    """
    main = threading.current_thread() is threading.main_thread()
    ignoring = main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignoring:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if ignoring:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Vagrant in order: it cleans up when interrupted, and is killed only later."""
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
