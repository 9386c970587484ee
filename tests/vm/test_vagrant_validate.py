"""The real Vagrant accepts what is rendered, and refuses a setting that it does not know."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provision.lab import load
from provision.providers import machine_key
from provision.providers.vagrant import requirements
from provision.providers.vagrant.template import Plan, render
from tests.support.tier import cannot_run

LAB = Path(__file__).parent.parent.parent / "lab.toml"
NASTY = """x' ; system("touch pwned") #{`touch pwned`} \\' \\\\"""


@pytest.fixture(autouse=True)
def vagrant() -> None:
    if not requirements.vagrant_version():
        cannot_run("Vagrant is not installed")


def rendered(provider: str, box: str = "swarmrig/debian13", file: Path = LAB) -> str:
    plan = Plan(provider, box, None, "swarmrig-book_", "swarmrig-book", "qemu")
    return render(load.load(file), plan)


def lab_file(folder: Path, keys: str) -> Path:
    """A lab whose second machine has these keys."""
    file = folder / "lab.toml"
    file.write_text(f'[[machines]]\nname = "a"\n[[machines]]\nname = "b"\n{keys}\n')
    return file


def validate(folder: Path, text: str, provider: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "Vagrantfile").write_text(text)
    # VirtualBox is not to be had everywhere; Vagrant asks it for its version and no more.
    stub = folder / "bin" / "VBoxManage"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text("#!/bin/sh\necho 7.0.20r163906\n")
    stub.chmod(0o755)
    return subprocess.run(
        ["vagrant", "validate"],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}",
            "VAGRANT_HOME": str(folder / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            **({"VAGRANT_DEFAULT_PROVIDER": provider} if provider else {}),
        },
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrant_accepts_the_settings_of(provider: str, tmp_path: Path) -> None:
    good = validate(tmp_path, rendered(provider), provider)
    assert good.returncode == 0, good.stderr + good.stdout
    wrong = rendered(provider).replace("provider.cpus = ", "provider.cpuz = ")
    bad = validate(tmp_path, wrong, provider)
    assert bad.returncode != 0
    assert "cpuz" in bad.stderr + bad.stdout


def test_vagrant_accepts_what_a_machine_is_handed(tmp_path: Path) -> None:
    plan = Plan("libvirt", "swarmrig/debian13", None, "swarmrig-book_", "swarmrig-book", "qemu")
    text = render(load.load(LAB), replace(plan, metadata=True))
    machine_key.keep(tmp_path)
    good = validate(tmp_path, text, "libvirt")
    assert good.returncode == 0, good.stderr + good.stdout
    assert validate(tmp_path, text.replace("qemuargs", "qemuarg"), "libvirt").returncode != 0


@pytest.mark.parametrize("driver", ["kvm", "qemu"])
def test_vagrant_accepts_the_settings_of_libvirt_on_arm64(driver: str, tmp_path: Path) -> None:
    plan = Plan("libvirt", "swarmrig/debian13", None, "swarmrig-book_", "swarmrig-book", driver)
    text = render(load.load(LAB), replace(plan, architecture="arm64", firmware="/EFI.fd"))
    good = validate(tmp_path, text, "libvirt")
    assert good.returncode == 0, good.stderr + good.stdout
    assert validate(tmp_path, text.replace(".loader", ".loadr"), "libvirt").returncode != 0


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrant_accepts_the_keys_of_one_machine(provider: str, tmp_path: Path) -> None:
    keys = "box = 'x/y'\ndisk = 20\nforward = [{guest = 80, host = 8080, address = '0.0.0.0'}]"
    good = rendered(provider, file=lab_file(tmp_path, keys))
    assert validate(tmp_path, good, provider).returncode == 0
    assert validate(tmp_path, good.replace("guest: 80", "guest: nil"), provider).returncode != 0
    size = {"libvirt": "machine_virtual_size = 20", "virtualbox": "size: '20GB'"}[provider]
    assert size in good


def test_vagrant_takes_settings_of_the_provider_and_refuses_unknown_ones(tmp_path: Path) -> None:
    keys = "provider_settings = {{ libvirt = {{ {} = {} }} }}"
    good = lab_file(tmp_path, keys.format("keymap", json.dumps(NASTY)))
    done = validate(tmp_path, rendered("libvirt", file=good), "libvirt")
    assert done.returncode == 0, done.stderr + done.stdout
    assert not list(tmp_path.rglob("pwned"))
    unknown = lab_file(tmp_path, keys.format("keymapp", 1))
    done = validate(tmp_path, rendered("libvirt", file=unknown), "libvirt")
    assert done.returncode != 0
    assert "keymapp" in done.stderr + done.stdout


@pytest.mark.parametrize("provider", ["hyperv", "vmware_desktop", "parallels"])
def test_vagrant_reads_what_is_rendered_for(provider: str, tmp_path: Path) -> None:
    # Their settings are judged only on a host that has them; here the file itself is.
    assert validate(tmp_path, rendered(provider)).returncode == 0
    assert validate(tmp_path, rendered(provider) + "\nend").returncode != 0


def test_no_value_becomes_ruby_code(tmp_path: Path) -> None:
    file = lab_file(tmp_path, f"box = {json.dumps(NASTY)}")
    done = validate(tmp_path, rendered("libvirt", box=NASTY, file=file))
    assert not list(tmp_path.rglob("pwned"))
    assert done.returncode == 0, done.stderr
