"""The real Vagrant accepts what is rendered, for each provider whose plugin is here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision import definition, host
from provision.vagrantfile import Plan, render
from tests.support.tier import cannot_run

LAB = Path(__file__).parent.parent.parent / "lab.toml"
NASTY = """x' ; system("touch pwned") #{`touch pwned`} \\' \\\\"""


def validate(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "Vagrantfile").write_text(text)
    return subprocess.run(
        ["vagrant", "validate"],
        cwd=folder,
        env={**os.environ, "VAGRANT_HOME": str(folder / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox", "hyperv"])
def test_vagrant_accepts_it(provider: str, tmp_path: Path) -> None:
    if not host.vagrant_version():
        cannot_run("Vagrant is not installed")
    plan = Plan(provider, "swarmrig/debian12", "12.1", "swarmrig-book_", "swarmrig-book", "qemu")
    done = validate(tmp_path, render(definition.load(LAB), plan))
    # Without VirtualBox or Windows, Vagrant has read the file when it complains of just that.
    here = "VirtualBox" in done.stderr or "Hyper-V" in done.stderr or "usable" in done.stderr
    assert done.returncode == 0 or here, done.stderr


def test_no_value_becomes_ruby_code(tmp_path: Path) -> None:
    if not host.vagrant_version():
        cannot_run("Vagrant is not installed")
    plan = Plan("libvirt", NASTY, None, NASTY, "swarmrig-book", "qemu")
    done = validate(tmp_path, render(definition.load(LAB), plan))
    assert not list(tmp_path.rglob("pwned"))
    assert done.returncode == 0, done.stderr
