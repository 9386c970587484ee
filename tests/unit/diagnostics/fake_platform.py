"""A host that is played: its system, the programs on it, what they print, what Python has there.

A program is looked up and run by its name alone, whatever the path that is given for it: on Windows
that has a drive letter and ends in .exe.
"""

from __future__ import annotations

import importlib
import ntpath
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provision.providers import backend, conflicts
from provision.providers.libvirt import firewall, virsh
from provision.providers.virtualbox import host_only

# Loaded at first use otherwise: as it is on a system that is only played.
importlib.import_module("psutil")

# What a program prints, or the exit code and what it says of its failure.
Answer = str | tuple[int, str]
_SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
_FOLDERS = {
    "linux": "/usr/bin/{}",
    "darwin": "/usr/local/bin/{}",
    "win32": "C:\\Program Files\\{0}\\bin\\{0}.exe",
}
# What Python has no word of on Windows.
_NOT_ON_WINDOWS = (
    (os, ("getuid", "geteuid", "getgid", "getpgid", "killpg", "sysconf", "uname")),
    (socket, ("AF_UNIX",)),
    (signal, ("SIGKILL", "SIGHUP")),
)


@dataclass
class Host:
    """`programs` by name or by name and first words ("virsh net-list"): the longest match answers.

    `release` is /etc/os-release, `plugins` are the distribution's packages of Vagrant's plugins.
    """

    system: str = "linux"
    programs: dict[str, Answer] = field(default_factory=dict)
    release: str = "debian"
    plugins: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    machine: str = "x86_64"

    def install(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on this is the host."""
        monkeypatch.setattr(sys, "platform", self.system)
        monkeypatch.setattr(platform, "system", lambda: _SYSTEMS[self.system])
        monkeypatch.setattr(platform, "release", lambda: "6.12.0")
        monkeypatch.setattr(platform, "machine", lambda: self.machine)
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": self.release})
        monkeypatch.setattr(shutil, "which", self._which)
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(backend, "has_system_plugin", lambda name, _=None: name in self.plugins)
        monkeypatch.setattr(conflicts, "host_networks", dict)
        monkeypatch.setattr(conflicts, "host_routes", list)
        monkeypatch.setattr(firewall, "FORWARDS", folder / "no")
        monkeypatch.setattr(host_only, "RANGES", folder / "no")
        monkeypatch.setattr(virsh, "_SYSTEMD", folder)
        monkeypatch.setattr(virsh, "URI", self.variables.get("LIBVIRT_DEFAULT_URI", virsh.URI))
        monkeypatch.setenv("SWARMRIG_CACHE", str(folder / "cache"))
        monkeypatch.setenv("VAGRANT_HOME", str(folder / "vagrant.d"))
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        if self.system == "win32":
            for module, names in _NOT_ON_WINDOWS:
                for name in names:
                    monkeypatch.delattr(module, name, raising=False)

    def _which(self, name: str, *_: object, **__: object) -> str | None:
        if not any(key.split()[0] == name for key in self.programs):
            return None
        return self.programs.get(f"which {name}", _FOLDERS[self.system].format(name))  # type: ignore[return-value]

    def _run(self, argv: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        name = ntpath.basename(argv[0]).removesuffix(".exe")
        words = [word for word in argv[1:] if not word.startswith("--connect")]
        words = [word for word in words if "qemu://" not in word and word != "--quiet"]
        line = " ".join([name, *words])
        found = [key for key in self.programs if line == key or line.startswith(f"{key} ")]
        if not found:
            raise FileNotFoundError(2, "No such file or directory", argv[0])
        answer = self.programs[max(found, key=len)]
        if isinstance(answer, str):
            return subprocess.CompletedProcess(list(argv), 0, answer, "")
        return subprocess.CompletedProcess(list(argv), answer[0], "", answer[1])
