"""`inv doctor` on hosts that are broken, each in its own way: the cause comes first.

A row is a kind of breakage, what the tools say there, the first line that must come out (of those
that are not ok), and what the user is told to do.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.diagnostics import doctor
from provision.lab import load
from provision.providers.boxes import select
from provision.providers.libvirt import kvm
from provision.providers.vagrant import runner
from tests.unit.diagnostics.fake_platform import Answer, Host

# How verbs print what an encoding has no letter for (provision/support/encoding.py).
PLAIN = "swarmrig-plain"
SOCKET = "error: failed to connect to the hypervisor\nerror: Failed to connect socket to "
VAGRANT: dict[str, Answer] = {"vagrant": "Vagrant 2.4.9"}
VBOX: dict[str, Answer] = {"VBoxManage": "7.1.4r165100\n", "VBoxManage list": ""}
LIBVIRT: dict[str, Answer] = {"virsh": ""}
PLUGIN = ("vagrant-libvirt",)
CONTEXT = '"unix:///var/run/docker.sock"'
PIPE = '"npipe:////./pipe/docker_engine"'


def engine(info: Answer, where: str = CONTEXT, version: str = "Docker 28.5.1") -> dict[str, Answer]:
    return {
        "docker --version": version,
        "docker context": where,
        "docker info": info,
        "docker": "",
    }


def linux(*programs: dict[str, Answer], **more: Any) -> Host:
    return Host("linux", {k: v for one in programs for k, v in one.items()}, **more)


def mac(*programs: dict[str, Answer], **more: Any) -> Host:
    return Host("darwin", {k: v for one in programs for k, v in one.items()}, **more)


def windows(*programs: dict[str, Answer], **more: Any) -> Host:
    return Host("win32", {k: v for one in programs for k, v in one.items()}, **more)


NOT_LOADED = (
    "WARNING: The vboxdrv kernel module is not loaded. Please recompile the kernel module and\n"
    "install it by sudo /sbin/vboxconfig\n7.1.4r165100\n"
)
OTHER_VAGRANT: dict[str, Answer] = {**VAGRANT, "which vagrant": "/opt/vagrant/bin/vagrant"}
NO_RUNNING = (1, f"{SOCKET}'/var/run/libvirt/libvirt-sock': No such file or directory")
NO_RIGHT = (1, f"{SOCKET}'/var/run/libvirt/libvirt-sock': Permission denied")
NO_NETWORKD = (1, f"{SOCKET}'/var/run/libvirt/virtnetworkd-sock': No such file or directory")
NO_DAEMON = (
    '{"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock"]}'
)
NOT_ALLOWED = '{"ServerErrors": ["permission denied while trying to connect to the Docker daemon"]}'
NO_PIPE = '{"ServerErrors": ["error during connect: open //./pipe/docker_engine: The system cannot '
NO_PIPE += 'find the file specified."]}'
ROOTLESS = '{"ServerVersion": "28", "OSType": "linux", "SecurityOptions": ["name=rootless"]}'

ROWS: dict[str, tuple[Host, str, str, str]] = {
    # -- Linux --------------------------------------------------------------------------------
    "no Vagrant, Debian": (
        linux(LIBVIRT),
        "",
        "Vagrant is not installed",
        "sudo apt-get install vagrant vagrant-libvirt",
    ),
    "no Vagrant, Fedora": (
        linux(LIBVIRT, release="fedora"),
        "",
        "Vagrant is not installed",
        "sudo dnf install vagrant vagrant-libvirt",
    ),
    "no Vagrant, Arch": (
        linux(LIBVIRT, release="arch"),
        "",
        "Vagrant is not installed",
        "sudo pacman -S vagrant",
    ),
    "a Vagrant of 2018": (
        linux({"vagrant": "Vagrant 2.0.1"}),
        "",
        "Vagrant 2.0.1 is too old",
        "2.2.19 or newer",
    ),
    "Vagrant and nothing else": (
        linux(VAGRANT),
        "",
        "no provider can be used",
        "Install libvirt or VirtualBox, or Docker",
    ),
    "libvirt without its plugin, openSUSE": (
        linux(VAGRANT, LIBVIRT, release="suse"),
        "",
        "provider libvirt: the plugin vagrant-libvirt is not installed",
        "sudo zypper install vagrant-libvirt",
    ),
    "HashiCorp's Vagrant beside the distribution's plugin": (
        linux(OTHER_VAGRANT, LIBVIRT, plugins=PLUGIN),
        "",
        "provider libvirt: /opt/vagrant/bin/vagrant is not the distribution's Vagrant",
        "vagrant plugin install vagrant-libvirt",
    ),
    "libvirt does not run": (
        linux(VAGRANT, {"virsh": NO_RUNNING}, plugins=PLUGIN),
        "",
        "provider libvirt: libvirtd does not answer",
        "sudo systemctl enable --now libvirtd",
    ),
    "libvirt denies access": (
        linux(VAGRANT, {"virsh": NO_RIGHT}, plugins=PLUGIN),
        "",
        "provider libvirt: libvirtd does not answer",
        "sudo usermod -aG libvirt",
    ),
    "libvirt's networks are a daemon of their own that does not run": (
        linux(VAGRANT, LIBVIRT, {"virsh net-list": NO_NETWORKD}, plugins=PLUGIN),
        "",
        "provider libvirt: libvirtd does not answer",
        "virtnetworkd.socket",
    ),
    "the user's own session of libvirt": (
        linux(
            VAGRANT,
            LIBVIRT,
            plugins=PLUGIN,
            variables={"LIBVIRT_DEFAULT_URI": "qemu:///session"},
        ),
        "",
        "provider libvirt: libvirtd does not answer: qemu:///session is asked",
        "unset LIBVIRT_DEFAULT_URI",
    ),
    "VirtualBox's kernel module": (
        linux(VAGRANT, {"VBoxManage": NOT_LOADED}),
        "",
        "provider virtualbox: The vboxdrv kernel module is not loaded",
        "sudo /sbin/vboxconfig",
    ),
    "a VirtualBox that is too new": (
        linux({"vagrant": "Vagrant 2.3.4"}, VBOX),
        'provider = "virtualbox"',
        "provider virtualbox: Vagrant 2.3.4 supports VirtualBox up to 7.0",
        "install Vagrant 2.4.2",
    ),
    "a subnet that VirtualBox does not allow": (
        linux(VAGRANT, VBOX),
        'provider = "virtualbox"\n[network]\nsubnet = "10.11.0.0/24"',
        "lab.toml: network.subnet: 10.11.0.0/24 is not in what VirtualBox allows",
        "Take network.subnet =",
    ),
    "the named provider is the one that is missing": (
        linux(VAGRANT, VBOX),
        'provider = "libvirt"',
        "provider libvirt: the plugin vagrant-libvirt is not installed",
        "sudo apt-get install vagrant-libvirt",
    ),
    "a Docker engine that is not started": (
        linux(VAGRANT, engine(NO_DAEMON)),
        "",
        "provider docker: the engine does not answer: Cannot connect",
        "the engine does not answer",
    ),
    "a Docker engine of root's alone": (
        linux(VAGRANT, engine(NOT_ALLOWED)),
        "",
        "provider docker: the engine does not answer: permission denied",
        "sudo usermod -aG docker",
    ),
    "a rootless engine": (
        linux(VAGRANT, engine(ROOTLESS)),
        "",
        "provider docker: the engine is rootless",
        "SYS_ADMIN",
    ),
    "Podman's docker command": (
        linux(VAGRANT, engine("", version="podman version 5.4")),
        "",
        "provider docker: the docker command is Podman's",
        "Podman",
    ),
    "an engine on another computer": (
        linux(VAGRANT, engine("", '"ssh://root@build.example"')),
        "",
        "provider docker: its engine is another machine (ssh://build.example)",
        "published ports are not here",
    ),
    "existing hosts without an ssh client": (
        linux(),
        'provider = "hosts"\n[[machines]]\nname = "a"\naddress = "192.0.2.1"\n'
        '[[machines]]\nname = "b"\naddress = "192.0.2.2"',
        "ssh and ssh-keygen: not installed",
        "Install OpenSSH's client",
    ),
    # -- macOS --------------------------------------------------------------------------------
    "a Mac with nothing": (
        mac(machine="arm64"),
        "",
        "Vagrant is not installed",
        "https://developer.hashicorp.com/vagrant/install",
    ),
    "a Mac with Vagrant alone": (
        mac(VAGRANT, machine="arm64"),
        "",
        "no provider can be used",
        "Install Docker Desktop, VirtualBox, Parallels or VMware Fusion",
    ),
    "Docker Desktop that is not started": (
        mac(VAGRANT, engine(NO_DAEMON)),
        "",
        "provider docker: the engine does not answer: Cannot connect to the Docker daemon",
        "the engine does not answer",
    ),
    "Parallels without its plugin": (
        mac(VAGRANT, {"prlctl": "prlctl version 20"}),
        'provider = "parallels"',
        "provider parallels: its plugin is not installed",
        "vagrant plugin install vagrant-parallels",
    ),
    "libvirt named on a Mac": (
        mac(VAGRANT, VBOX),
        'provider = "libvirt"',
        "provider libvirt: libvirt runs machines on Linux alone",
        "Linux",
    ),
    # -- Windows ------------------------------------------------------------------------------
    "Windows with Vagrant alone": (
        windows(VAGRANT, machine="AMD64"),
        "",
        "no provider can be used",
        "turn Hyper-V on",
    ),
    "Docker Desktop's pipe is not there": (
        windows(VAGRANT, engine(NO_PIPE, PIPE), machine="AMD64"),
        "",
        "provider docker: the engine does not answer: error during connect: open //./pipe",
        "cannot find the file",
    ),
    "Windows containers": (
        windows(
            VAGRANT,
            engine('{"ServerVersion": "28", "OSType": "windows"}', PIPE),
            machine="AMD64",
        ),
        "",
        "provider docker: the engine runs Windows containers",
        "switch it to Linux containers",
    ),
    "a VirtualBox that does not run on Windows": (
        windows(VAGRANT, {"VBoxManage": "VBoxManage.exe: error: Failed to create the object"}),
        "",
        "provider virtualbox: VBoxManage.exe: error: Failed to create the object",
        "Failed to create",
    ),
    "VMware named on Windows, without its plugin": (
        windows(VAGRANT, VBOX, machine="AMD64"),
        'provider = "vmware_desktop"',
        "provider vmware_desktop: its Vagrant plugin is not installed",
        "vagrant plugin install vagrant-vmware-desktop",
    ),
}


@pytest.mark.parametrize("kind", ROWS)
def test_the_cause_comes_first_with_what_to_do(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, text, first, advice = ROWS[kind]
    findings = examined(host, text, tmp_path, monkeypatch)
    # After the line that says which system this is.
    cause = findings[1]
    assert cause.state == "missing", [one.what for one in findings]
    assert cause.what.startswith(first)
    assert advice in f"{cause.what} {cause.advice}"
    # A console of Windows knows few letters, and no line of a table or a log has two.
    for one in findings:
        assert "\n" not in one.what
        f"{one.what} {one.advice}".encode("cp1252", errors=PLAIN)


def examined(
    host: Host, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[doctor.Finding]:
    (folder / "lab.toml").write_text(f"{text}\n")
    lab = load.load(folder / "lab.toml")
    monkeypatch.setattr(select, "unreachable", lambda: "no network")
    monkeypatch.setattr(kvm, "verdict", lambda *_: kvm.Verdict(True, "a guest ran", False))
    host.install(folder, monkeypatch)
    return doctor.examine(lab, fresh=False)


@pytest.mark.parametrize(
    ("host", "chosen"),
    [
        (linux(VAGRANT, LIBVIRT, plugins=PLUGIN), "libvirt"),
        (linux(VAGRANT, VBOX), "virtualbox"),
        (mac(VAGRANT, VBOX), "virtualbox"),
        (windows(VAGRANT, VBOX, machine="AMD64"), "virtualbox"),
        (
            windows(VAGRANT, engine('{"ServerVersion": "28", "OSType": "linux"}', PIPE)),
            "docker",
        ),
    ],
)
def test_a_host_that_can_run_a_lab_has_nothing_missing(
    host: Host, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = examined(host, "", tmp_path, monkeypatch)
    assert [one.what for one in findings if one.state == "missing"] == []
    assert f"provider {chosen}: can be used" in [one.what for one in findings]


def test_vagrant_is_interrupted_on_windows_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    windows().install(Path("/nowhere"), monkeypatch)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", "ctrl-break", raising=False)
    process: Any = SimpleNamespace(send_signal=sent.append, pid=0)
    runner._interrupt(process)
    assert sent == ["ctrl-break"]


def test_nothing_that_windows_lacks_is_imported_anywhere() -> None:
    clone = Path(__file__).parents[3]
    blocked = ("fcntl", "pwd", "grp", "termios", "tty", "pty", "resource", "curses")
    script = (
        "import sys, importlib, pathlib\n"
        f"blocked = {blocked!r}\n"
        "ours = lambda: any(f.startswith(('provision', 'scenarios')) for f in callers())\n"
        "def callers():\n"
        "    frame = sys._getframe(2)\n"
        "    while frame and 'importlib' in frame.f_code.co_filename: frame = frame.f_back\n"
        "    return [frame.f_globals.get('__name__', '')] if frame else []\n"
        "class Block:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in blocked and ours(): raise ImportError(f'{name} is not on Windows')\n"
        "sys.meta_path.insert(0, Block())\n"
        "for name in blocked: sys.modules.pop(name, None)\n"
        "for top in ('provision', 'scenarios'):\n"
        "    for file in sorted(pathlib.Path(top).rglob('*.py')):\n"
        "        importlib.import_module('.'.join(file.with_suffix('').parts))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=clone
    )
    assert done.returncode == 0, done.stderr
