"""One machine: a Fabric connection, and the Docker Engine API through that same connection."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from fabric import Connection
from invoke.exceptions import CommandTimedOut, UnexpectedExit
from invoke.watchers import StreamWatcher
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.lab import model
from provision.ssh.connection import JumpHosts, open_connection, transport_of
from provision.ssh.endpoint import Endpoint
from provision.ssh.host_keys import HostKeyError
from provision.ssh.transport import Transport
from provision.support.errors import MachineError

if TYPE_CHECKING:
    import docker


_LOST = -1  # paramiko's exit status of a command whose connection has ended
_NO_START = "^(failed to start daemon|unable to configure the Docker daemon)"


@dataclass(frozen=True)
class Result:
    """What a command on a machine did. `exit_code` is None when a limit ended it."""

    machine: str
    command: str
    stdout: str
    stderr: str
    exit_code: int | None
    started: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def last_words(self) -> str:
        """The last lines that a failed command said, for an error's one or two lines."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return " / ".join(lines[-2:]) if lines else "it said nothing"


class _Lines(StreamWatcher):
    """Hands on each whole line that a command says. Each stream's thread has its own state."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear
        self._heard = 0

    def submit(self, stream: str) -> Iterable[str]:
        whole = stream[self._heard : stream.rfind("\n") + 1]
        self._heard += len(whole)
        for line in whole.splitlines():
            self._hear(line)
        return ()


class Machine:
    """A machine that SSH reaches. Safe to use from several threads at once."""

    def __init__(
        self, plan: model.MachineSpec, endpoint: Endpoint, jumps: JumpHosts | None = None
    ) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self._jumps = jumps or JumpHosts()
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._docker: docker.DockerClient | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def address(self) -> str:
        """The address on the underlay."""
        return self.plan.address

    def __str__(self) -> str:
        return self.name

    # -- connection ---------------------------------------------------------------------------

    def apart(self) -> Machine:
        """The same machine over an SSH connection of its own, for what is done beside the rest."""
        return Machine(self.plan, self.endpoint, self._jumps)

    def connect(self, patience: float | None = None) -> None:
        """Log in, trying for `patience` seconds (the endpoint's own) while it is coming up.

        Raises MachineError that says what SSH said: refused, no answer, key not accepted.
        """
        try:
            for attempt in Retrying(
                stop=stop_after_delay(self.endpoint.patience if patience is None else patience),
                wait=wait_fixed(0.5),
                retry=retry_if_exception_type((OSError, EOFError, paramiko.SSHException)),
                reraise=True,
            ):
                with attempt:
                    self._open()
        except HostKeyError:
            raise
        except MachineError as error:
            raise MachineError(f"{self.name}: {error}", error.advice) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._no_ssh(error) from error

    def _open(self) -> None:
        with self._lock:
            if self._connection and self._connection.is_connected:
                return
            self._forget_docker()
            self._connection = open_connection(self.endpoint, self._jumps)

    def _no_ssh(self, error: BaseException) -> MachineError:
        said = str(error) or type(error).__name__
        return MachineError(
            f"{self.name}: no SSH at {self.endpoint}: {said}",
            "See whether the machine runs (inv status), and what its console says.",
        )

    @property
    def transport(self) -> Transport:
        """The live SSH transport, connecting first where that is needed."""
        self.connect()
        assert self._connection is not None
        return transport_of(self._connection)

    def reconnect(self) -> None:
        """Log in again, so that a group given just now counts."""
        self.close()
        self.connect()

    def close(self) -> None:
        with self._lock:
            self._forget_docker()
            if self._connection:
                self._connection.close()
                self._connection = None

    def abandon(self) -> None:
        """Let go at once of a machine that does not answer, though somebody still waits for it."""
        connection = self._connection
        transport = connection.client.get_transport() if connection else None
        if transport:
            transport.close()

    def _forget_docker(self) -> None:
        if self._docker:
            with contextlib.suppress(Exception):
                self._docker.close()
            self._docker = None

    # -- commands -----------------------------------------------------------------------------

    @property
    def is_root(self) -> bool:
        return self.endpoint.user == "root"

    def as_root(self, command: str) -> str:
        """`command` (any shell text) as one that root runs; sudo must not ask for a password."""
        return command if self.is_root else f"sudo -n -- sh -c {shlex.quote(command)}"

    def run(
        self,
        command: str,
        timeout: float | None = 120,
        sudo: bool = False,
        hear: Callable[[str], None] | None = None,
    ) -> Result:
        """Run a shell command and return what it did, whatever its exit code.

        After `timeout` seconds it is ended and `exit_code` is None. `hear` gets each line of its
        output and errors as it comes. Raises MachineError when the machine cannot be reached, or
        is lost on the way.
        """
        self.connect()
        result = self._started(command)
        line = self.as_root(command) if sudo else command
        connection = self._connection
        assert connection is not None
        code: int | None
        try:
            done = connection.run(
                line,
                hide=True,
                warn=True,
                timeout=timeout,
                in_stream=False,
                watchers=[_Lines(hear)] if hear else [],
            )
            code = done.exited
        except CommandTimedOut as error:
            done, code = error.result, None
        except UnexpectedExit as error:  # pragma: no cover - warn=True leaves only signals
            done, code = error.result, error.result.exited
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(command, error) from error
        return result(done.stdout, done.stderr, code)

    def _started(self, command: str) -> Callable[[str, str, int | None], Result]:
        """A command starts now; what makes its Result of output, errors and exit code."""
        started, begin = datetime.now(UTC).isoformat(timespec="milliseconds"), time.monotonic()

        def result(out: str, err: str, code: int | None) -> Result:
            seconds = time.monotonic() - begin
            return Result(self.name, command, out, err, code, started, seconds)

        return result

    def _lost(self, command: str, error: BaseException) -> MachineError:
        return MachineError(
            f"{self.name}: the connection was lost during `{command}`: "
            f"{str(error) or type(error).__name__}",
            "See whether the machine still runs: inv status",
        )

    def run_checked(self, command: str, timeout: float | None = 120, sudo: bool = False) -> str:
        """Run a command that has to succeed; its output. MachineError has its last words."""
        result = self.run(command, timeout, sudo)
        if not result.ok:
            how = (
                f"did not end within {timeout:.0f} s"
                if result.exit_code is None and timeout
                else f"ended with {result.exit_code}"
            )
            raise MachineError(f"{self.name}: `{command}` {how}: {result.last_words}")
        return result.stdout

    def put(self, source: Path | bytes, target: str) -> None:
        """Bring a file (or bytes) to the machine. Raises MachineError (a full disk, say)."""
        try:
            sftp = paramiko.SFTPClient.from_transport(self.transport)
            assert sftp is not None
            with contextlib.closing(sftp):
                if isinstance(source, bytes):
                    sftp.putfo(io.BytesIO(source), target)
                else:
                    sftp.put(str(source), target)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise MachineError(f"{self.name}: {target} could not be written: {error}") from error

    def feed(
        self, command: str, source: Path | bytes, timeout: float = 600, sudo: bool = False
    ) -> Result:
        """Run a command with a file (or bytes) as its standard input; what it did.

        What is fed stands on no command line, and needs no place on the machine. When our side
        ends early, the command's input ends. Raises MachineError when the machine is lost.
        """
        result = self._started(command)
        out = err = b""
        code: int | None = None
        try:
            with (
                self.stream(self.as_root(command) if sudo else command) as channel,
                io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as given,
            ):
                channel.settimeout(timeout)
                while chunk := given.read(1 << 18):
                    try:
                        channel.sendall(chunk)
                    except OSError:
                        # A command that has ended takes no more; what it said tells why.
                        break
                with contextlib.suppress(OSError, EOFError):
                    channel.shutdown_write()
                with contextlib.suppress(TimeoutError):
                    out = channel.makefile("rb").read()
                    err = channel.makefile_stderr("rb").read()
                    code = channel.recv_exit_status()
        except (EOFError, paramiko.SSHException) as error:
            raise self._lost(command, error) from error
        if code == _LOST:
            raise self._lost(command, EOFError())
        return result(out.decode(errors="replace"), err.decode(errors="replace"), code)

    def fetch(self, command: str, target: Path, timeout: float = 1800, sudo: bool = False) -> Path:
        """Run a command and write what it prints, whatever bytes, into a file here; the file.

        The file is there whole or not at all. Raises MachineError with the command's last words.
        """
        part = target.with_name(f".{target.name}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                self.stream(self.as_root(command) if sudo else command) as channel,
                part.open("wb") as out,
            ):
                channel.settimeout(timeout)
                while chunk := channel.recv(1 << 18):
                    out.write(chunk)
                said = channel.makefile_stderr("rb").read().decode(errors="replace").strip()
                code = channel.recv_exit_status()
            if code != 0:
                raise MachineError(f"{self.name}: `{command}` ended with {code}: {said[-300:]}")
            part.replace(target)
        except (TimeoutError, EOFError, paramiko.SSHException) as error:
            raise MachineError(
                f"{self.name}: `{command}` was cut off: {error or type(error).__name__}",
                "See whether the machine still runs: inv status",
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return target

    @contextlib.contextmanager
    def stream(self, command: str, window: int | None = None) -> Iterator[paramiko.Channel]:
        """A command that runs as long as the block: its input closes when the block ends.

        Of its output at most `window` bytes are under way to who reads slowly (paramiko's 2 MiB).
        """
        channel = self.transport.open_session(window_size=window, timeout=30)
        try:
            channel.exec_command(command)
            yield channel
        finally:
            channel.close()

    # -- Docker -------------------------------------------------------------------------------

    @property
    def docker(self) -> docker.DockerClient:
        """The Engine API. Raises MachineError when the engine does not answer."""
        from provision.machine import docker_api  # noqa: PLC0415 - the SDK takes a while to import

        with self._lock:
            transport = self.transport
            if self._docker is None:
                try:
                    self._docker = docker_api.client(transport, self.is_root)
                except Exception as error:
                    raise MachineError(
                        f"{self.name}: the Docker Engine does not answer: {_short(error)}",
                        f"Its log: inv ssh {self.name}, then sudo journalctl -u docker -n 50",
                    ) from error
            return self._docker

    def daemon_log(self, lines: int = 5) -> str:
        """The daemon's latest warnings and errors; why it did not start, where it did not.

        What keeps it from starting it prints plainly, after all that it has logged: see main in
        https://github.com/moby/moby/blob/v26.1.5/cmd/dockerd/docker.go
        """
        with contextlib.suppress(MachineError):
            log = self.run(
                "journalctl -u docker -n 200 -o cat --no-pager"
                f" | grep -E 'level=(error|warn|fatal)|{_NO_START}' | tail -n {lines}",
                timeout=20,
                sudo=True,
            ).stdout.strip()
            last = log.splitlines()[-1:]
            return last[0] if last and re.match(_NO_START, last[0]) else log or "nothing"
        return "it could not be read"


def _short(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if "RemoteDisconnected" in text:
        # What passes its connection on has ended without a word.
        return "nobody listens at its socket"
    return text.splitlines()[0][:200]


@contextlib.contextmanager
def connected(lab: model.Lab, endpoints: dict[str, Endpoint]) -> Iterator[dict[str, Machine]]:
    """The lab's machines by name, in the file's order; their connections end with the block."""
    jumps = JumpHosts()
    machines = {plan.name: Machine(plan, endpoints[plan.name], jumps) for plan in lab.machines}
    try:
        yield machines
    finally:
        close_all(machines.values())
        jumps.close()


def close_all(machines: Iterable[Machine]) -> None:
    for machine in machines:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException, socket.error):
            machine.close()
