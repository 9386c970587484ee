"""The Docker engine of this host, through the `docker` command, which Vagrant uses as well.

So DOCKER_HOST, contexts and certificates hold as they do for the user's own `docker`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from provision.support.errors import MachineError
from provision.support.tools import run_tool

# Engines that are started on demand, Docker Desktop's for one, take some seconds to answer.
_PATIENCE = 30.0
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def ask(*arguments: str, timeout: float = 120) -> str:
    """What a docker command prints. Raises MachineError with its own words."""
    try:
        done = run_tool(["docker", *arguments], timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"docker {arguments[0]} did not end within {timeout:.0f} s.",
            "Does the engine answer? docker version",
        ) from None
    if done.returncode != 0:
        raise MachineError(f"docker {' '.join(arguments[:2])} failed: {_last(done.stderr)}")
    return done.stdout


def listed(*arguments: str) -> list[dict[str, Any]]:
    """What an inspect command prints of things by name; those that are gone are left out."""
    done = run_tool(["docker", *arguments])
    if done.returncode != 0 and not re.search(r"no such|not found", done.stderr, re.I):
        # "No such object: …", "network … not found": by now, or as what was asked for.
        raise MachineError(f"docker {' '.join(arguments[:2])} failed: {_last(done.stderr)}")
    return list(json.loads(done.stdout or "[]"))


def installed() -> bool:
    """Whether there is a docker command."""
    return bool(shutil.which("docker"))


def missing() -> str:
    """Why no machines can be made with the engine, in words; "" where they can."""
    if not installed():
        return "Docker is not installed (docker)"
    try:
        if "podman" in run_tool(["docker", "--version"], timeout=_PATIENCE).stdout.lower():
            return "the docker command is Podman's, which Vagrant's docker provider is not tried on"
        if address := remote():
            return f"its engine is another machine ({address}), whose published ports are not here"
        return unsuited(about())
    except subprocess.TimeoutExpired:
        return f"the engine does not answer within {_PATIENCE:.0f} s"
    except MachineError as error:
        return str(error)


def about() -> dict[str, Any]:
    """`docker info` of the engine. Raises MachineError with the reason where it does not answer."""
    done = run_tool(["docker", "info", "--format", "{{json .}}"], timeout=_PATIENCE)
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = {}
    # Since 20.10 the command ends well without an engine, and puts the reason among its fields.
    errors = said.get("ServerErrors") or ([] if said.get("ServerVersion") else [done.stderr])
    if errors:
        words = _last(str(errors[0]))
        advice = ""
        if "permission denied" in words.lower():
            advice = "; members of the group docker may use it: sudo usermod -aG docker $USER"
        raise MachineError(f"the engine does not answer: {words}{advice}")
    return said


def unsuited(said: Mapping[str, Any]) -> str:
    """What in an engine's `docker info` keeps it from running machines; "" where nothing does."""
    if said.get("OSType") != "linux":
        return "the engine runs Windows containers; switch it to Linux containers"
    if any("name=rootless" in str(option) for option in said.get("SecurityOptions") or []):
        return (
            "the engine is rootless: a machine with systemd and a Docker engine of its own needs "
            "the capability SYS_ADMIN of the host"
        )
    return ""


def remote() -> str:
    """The address of an engine that is not on this machine; "" where it is."""
    host = json.loads(
        ask("context", "inspect", "--format", "{{json .Endpoints.docker.Host}}", timeout=_PATIENCE)
    )
    parts = urlsplit(str(host))
    if parts.scheme in {"unix", "npipe", "fd"} or parts.hostname in _LOCAL:
        return ""
    return f"{parts.scheme}://{parts.hostname}"


def _last(words: str) -> str:
    """The last line that says something, without the word that begins it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    text = lines[-1] if lines else "no message"
    return re.sub(r"^(?:docker: |error: |Error response from daemon: )+", "", text, flags=re.I)


def filters(labels: Mapping[str, str]) -> Sequence[str]:
    """Options of a listing that show only what has all of these labels."""
    return [word for key, value in labels.items() for word in ("--filter", f"label={key}={value}")]
