"""How Vagrant is driven, with a Vagrant that plays a part: what real machines cannot be asked for.

The real one is driven in the vm tier.
"""

from __future__ import annotations

import io
import json
import locale
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from provision.lab import load
from provision.lifecycle import dry_run
from provision.providers import conflicts
from provision.providers.base import Checkpoints
from provision.providers.boxes import select
from provision.providers.vagrant import plan, runner
from provision.providers.vagrant.provider import VagrantProvider
from provision.providers.vagrant.template import Plan
from provision.providers.virtualbox.backend import VirtualBox
from provision.support import cache
from provision.support.errors import MachineError, UserError
from tests.support.progress import quiet

CLONE = Path(__file__).parents[4]
PLAN = Plan("virtualbox", "some/box", None, "swarmrig-book_", "swarmrig-book")

# Writes each call down; `up` says what the file `says` holds, then does what `does` tells.
FAKE = """#!/bin/sh
echo "$*" >> calls
case $1 in
  up) cat says 2>/dev/null
      for m in machine1 machine2; do
        mkdir -p "$VAGRANT_DOTFILE_PATH/machines/$m/virtualbox"
        echo id > "$VAGRANT_DOTFILE_PATH/machines/$m/virtualbox/id"
      done
      . ./does ;;
  ssh-config) for n in 1 2; do
      printf 'Host machine%s\\n HostName 127.0.0.1\\n Port 220%s\\n User vagrant\\n' $n $n
    done ;;
  destroy) rm -rf "$VAGRANT_DOTFILE_PATH/machines" ;;
  snapshot) . ./does; cat says ;;
esac
"""


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VagrantProvider:
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lab.toml").write_text("")
    lab = load.load(tmp_path / "lab.toml")
    lab.state.mkdir(parents=True)
    made = VagrantProvider(lab, PLAN)
    play(made, "", "true")
    return made


def play(provider: VagrantProvider, says: str, does: str) -> None:
    (provider.state / "says").write_text(says)
    (provider.state / "does").write_text(does + "\n")


def calls(provider: VagrantProvider) -> list[str]:
    return (provider.state / "calls").read_text().splitlines()


def test_all_machines_come_up_in_one_call_and_are_asked_for_in_one(
    provider: VagrantProvider,
) -> None:
    printed = io.StringIO()
    play(provider, "==> machine2: Booting VM...\n==> machine2: Machine booted and ready!\n", "true")
    provider.up(quiet(printed))
    assert calls(provider) == ["up --provider=virtualbox --no-tty", "ssh-config --no-tty"]
    assert "machine2: booting\n" in printed.getvalue()
    assert "machine2: booted" in printed.getvalue()
    ends = provider.endpoints()
    assert (ends["machine2"].host, ends["machine2"].port) == ("127.0.0.1", 2202)
    assert ends["machine2"].trust_first


def test_a_lab_waits_for_another_one_of_its_provider_and_says_so(
    provider: VagrantProvider,
) -> None:
    class Printed(io.StringIO):
        """The other lab is up as soon as this one says that it waits."""

        def write(self, text: str) -> int:
            if "waiting for another lab" in text:
                other.release()
            return super().write(text)

    printed = Printed()
    other = FileLock(cache.folder() / "vagrant-up-virtualbox.lock", thread_local=False)
    with other:
        provider.up(quiet(printed))
        assert not other.is_locked
    assert "waiting for another lab, which Vagrant is bringing up" in printed.getvalue()
    assert calls(provider)[0].startswith("up ")


def test_a_lab_of_another_provider_is_not_waited_for(provider: VagrantProvider) -> None:
    with FileLock(cache.folder() / "vagrant-up-libvirt.lock"):
        provider.up(quiet())
    assert calls(provider)[0].startswith("up ")


def test_a_machine_is_known_by_its_name_whatever_port_is_forwarded_to_it(
    provider: VagrantProvider,
) -> None:
    """VirtualBox shifts its ports: what was written down under one would be another machine's."""
    provider.up(quiet())
    assert {end.key_name for end in provider.endpoints().values()} == {"machine1", "machine2"}


def test_a_folder_of_another_alphabet_is_read_whatever_the_locale(
    provider: VagrantProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda *_: "cp1252")
    program = provider.lab.home / "bin" / "vagrant"
    line = "printf 'Host machine%s\\n IdentityFile /Jörg/100%%/key\\n' $n"
    program.write_text(
        FAKE.replace("printf 'Host machine%s", f"{line}; printf 'Host machine%s"), encoding="utf-8"
    )
    provider.up(quiet())
    assert provider.endpoints()["machine1"].keys == (Path("/Jörg/100%/key"),)


@pytest.mark.parametrize(
    ("variable", "kept"),
    [
        ("VAGRANT_CWD", False),
        ("VAGRANT_VAGRANTFILE", False),
        ("VAGRANT_DEFAULT_PROVIDER", False),
        ("VAGRANT_LOG", False),
        ("VAGRANT_FORCE_COLOR", False),
        ("RUBYOPT", False),
        ("VAGRANT_HOME", True),
        ("VAGRANT_SERVER_URL", True),
    ],
)
def test_variables_of_other_work_do_not_lead_vagrant_astray(
    provider: VagrantProvider, monkeypatch: pytest.MonkeyPatch, variable: str, kept: bool
) -> None:
    monkeypatch.setenv(variable, "/of/somebody/else")
    play(provider, "", "env > environment")
    VagrantProvider(provider.lab, PLAN).up(quiet())
    seen = (provider.state / "environment").read_text().splitlines()
    assert (f"{variable}=/of/somebody/else" in seen) == kept
    assert f"VAGRANT_DOTFILE_PATH={provider.state}/vagrant" in seen


@pytest.mark.parametrize(("system", "locale"), [("linux", "C.UTF-8"), ("darwin", "en_US.UTF-8")])
@pytest.mark.parametrize("given", ["C", "de_DE.ISO-8859-1", "not_INSTALLED.UTF-8"])
def test_vagrant_reads_folders_of_any_name_whatever_the_locale(
    monkeypatch: pytest.MonkeyPatch, system: str, locale: str, given: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("LC_ALL", given)
    assert runner.environment()["LC_ALL"] == locale


def test_no_machine_is_booted_from_a_damaged_disk(
    provider: VagrantProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def damaged(_: object, names: list[str]) -> dict[str, str]:
        asked.append(names)
        return {"machine2": "/images/machine2.img"}

    states = {"machine1": "running", "machine2": "stopped"}
    monkeypatch.setattr(provider.backend, "states", lambda *_: states)
    monkeypatch.setattr(provider.backend, "damaged", damaged)
    with pytest.raises(MachineError, match=r"machine2: its disk /images/machine2\.img") as caught:
        provider.up(quiet())
    assert asked == [["machine2"]]
    assert "inv rebuild --cold" in caught.value.advice
    assert not (provider.state / "calls").exists()


def test_a_failure_is_reported_in_vagrants_last_words_with_its_log(
    provider: VagrantProvider,
) -> None:
    words = "==> machine1: Some noise\nThe box could not be\nfound anywhere.\n"
    play(provider, words, "exit 1")
    with pytest.raises(MachineError, match=r"The box could not be found anywhere\.") as caught:
        provider.up(quiet())
    assert "noise" not in str(caught.value)
    assert str(provider.runner.log) in caught.value.advice


def test_a_machine_that_never_gets_an_address_is_reported_with_its_phase(
    provider: VagrantProvider,
) -> None:
    provider.runner.limit = 1
    play(provider, "==> machine1: Waiting for domain to get an IP address...\n", "exec sleep 60")
    with pytest.raises(MachineError, match="machine1: booting; waiting for an address") as caught:
        provider.up(quiet())
    assert "console" in caught.value.advice
    assert "inv rebuild --cold" in caught.value.advice
    assert not provider.runner.journal.exists()


@pytest.fixture
def heed_interrupts() -> Iterator[None]:
    """As in a terminal, though these tests may run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heed_interrupts")
def test_vagrant_is_ended_in_order_by_an_interrupt(provider: VagrantProvider) -> None:
    play(
        provider,
        "",
        "trap 'echo in order > ended; kill $!; exit 1' INT; echo up > begun; sleep 60 & wait",
    )
    generator = provider.runner._stream_vagrant_command(["up"])
    code = "import os, signal, sys, time"
    watcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{code}\nwhile not os.path.exists({str(provider.state / 'begun')!r}): "
            f"time.sleep(0.05)\nos.kill({os.getpid()}, signal.SIGINT)",
        ]
    )
    with pytest.raises(KeyboardInterrupt):
        list(generator)
    watcher.wait()
    assert (provider.state / "ended").read_text() == "in order\n"


def test_a_vagrant_that_outlived_us_is_waited_for_and_nothing_is_made_twice(
    provider: VagrantProvider,
) -> None:
    play(provider, "", "echo > begun; sleep 2; echo > through")
    code = (
        "from pathlib import Path; from provision.providers.vagrant.runner import Runner\n"
        f"for _ in Runner(Path({str(provider.state)!r}), 60).up(stream_output=True): pass"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], cwd=CLONE)
    while not ((provider.state / "begun").exists() and provider.runner.journal.exists()):
        time.sleep(0.05)
    os.kill(ours.pid, signal.SIGKILL)
    ours.wait()
    assert provider.runner.journal.exists()
    list(provider.runner.finish_earlier())
    assert (provider.state / "through").exists()
    assert not provider.runner.journal.exists()


def test_a_destroy_after_a_killed_up_says_which_process_it_waits_for(
    provider: VagrantProvider,
) -> None:
    sleeper = subprocess.Popen(["sleep", "1"])
    provider.runner.log.touch()
    since = runner._birth(sleeper.pid)
    provider.runner.journal.write_text(json.dumps({"pid": sleeper.pid, "since": since}))
    printed = io.StringIO()
    provider.destroy(quiet(printed))
    # It is no Vagrant of this lab: it is waited for, and not ended.
    assert sleeper.wait() == 0
    assert "interrupting" not in printed.getvalue()
    assert f"waiting for Vagrant, started by an earlier command (process {sleeper.pid})" in (
        printed.getvalue()
    )
    # Where nothing is waited for, nothing is said.
    printed = io.StringIO()
    provider.destroy(quiet(printed))
    assert "waiting" not in printed.getvalue()


def left_behind(provider: VagrantProvider, does: str) -> int:
    """The id of a Vagrant whose `up` was killed when it had begun."""
    play(provider, "", f"{does}; echo > begun; sleep 600 & wait")
    code = (
        "from pathlib import Path; from provision.providers.vagrant.runner import Runner\n"
        f"for _ in Runner(Path({str(provider.state)!r}), 600).up(stream_output=True): pass"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], cwd=CLONE)

    def noted() -> int:
        if not provider.runner.journal.exists():
            return 0
        return int(json.loads(provider.runner.journal.read_text())["pid"])

    while not ((provider.state / "begun").exists() and noted()):
        time.sleep(0.05)
    os.kill(ours.pid, signal.SIGKILL)
    ours.wait()
    return noted()


@pytest.mark.parametrize(
    "does",
    [
        "trap 'echo in order > ended; kill $!; exit 1' INT",
        # One that does not heed an interrupt is asked to terminate.
        "trap '' INT; trap 'echo in order > ended; kill $!; exit 1' TERM",
    ],
)
def test_destroy_ends_the_vagrant_of_a_killed_up(
    provider: VagrantProvider, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    (provider.state / "Vagrantfile").touch()
    pid = left_behind(provider, does)
    monkeypatch.setattr(runner, "_GRACE", 90.0 if "TERM" not in does else 1.0)
    printed = io.StringIO()
    provider.destroy(quiet(printed))
    assert f"interrupting Vagrant, started by an earlier command (process {pid})" in (
        printed.getvalue()
    )
    assert (provider.state / "ended").read_text() == "in order\n"
    assert not provider.runner.journal.exists()
    assert calls(provider)[-1].startswith("destroy --force")


def test_a_process_that_is_not_certainly_the_labs_vagrant_is_not_ended(
    provider: VagrantProvider, tmp_path: Path
) -> None:
    elsewhere = subprocess.Popen(["sleep", "600"], cwd=tmp_path, start_new_session=True)
    here = subprocess.Popen(["sleep", "600"], cwd=provider.state, start_new_session=True)
    ours = runner.Runner(provider.state, 1)
    try:
        for process, since in ((elsewhere, 0.0), (here, 0.0), (here, 5.0)):
            born = (runner._birth(process.pid) or 0) + since
            ours.journal.write_text(json.dumps({"pid": process.pid, "since": born}))
            ours.end_earlier(lambda _: pytest.fail("it is not ours"))
        ours.journal.write_text(json.dumps({"pid": 0, "since": 0}))
        ours.end_earlier(lambda _: pytest.fail("it is not known"))
        assert (elsewhere.poll(), here.poll()) == (None, None)
    finally:
        for process in (elsewhere, here):
            process.kill()
            process.wait()


def test_a_log_of_repainted_percentages_can_be_read(provider: VagrantProvider) -> None:
    does = (
        "n=0; while [ $n -lt 5000 ]; do printf '\\r\\033[KProgress: %s%%' $((n / 50)); "
        "n=$((n + 1)); done; printf '\\r\\033[K==> machine1: Booting VM...\\n'"
    )
    play(provider, "==> machine1: Importing base box...\n", does.replace("\\\\", "\\"))
    provider.runner.log.parent.mkdir(exist_ok=True)
    provider.runner.log.write_text("kept from before\n")
    provider.up(quiet())
    text = provider.runner.log.read_text()
    assert text.startswith("kept from before\n")
    assert "==> machine1: Importing base box...\nProgress: 0%\n… (4998 repaints)\n" in text
    assert "Progress: 99%\n==> machine1: Booting VM...\n" in text
    assert "\r" not in text


def test_a_log_is_left_alone_while_an_earlier_vagrant_writes_to_it(
    provider: VagrantProvider,
) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    noisy = "".join(f"\r\x1b[KProgress: {n}%" for n in range(100))
    provider.runner.log.write_text(noisy)
    since = runner._birth(sleeper.pid)
    provider.runner.journal.write_text(json.dumps({"pid": sleeper.pid, "since": since}))
    provider.runner.limit = 0.3
    with pytest.raises(MachineError, match=f"process {sleeper.pid}"):
        provider.up(quiet())
    assert provider.runner.log.read_bytes() == noisy.encode()
    sleeper.kill()
    sleeper.wait()
    list(provider.runner.finish_earlier())
    assert provider.runner.log.read_text() == "Progress: 0%\n… (98 repaints)\nProgress: 99%"


def test_a_vagrant_is_found_in_a_folder_behind_a_link(
    provider: VagrantProvider, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(provider.state)
    copy = tmp_path / "vagrant-sleep"
    copy.symlink_to("/bin/sleep")
    sleeper = subprocess.Popen([str(copy), "60"], cwd=provider.state)
    try:
        assert runner.Runner(tmp_path / "link", 1)._begun()[0] == sleeper.pid
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_vagrant_whose_number_was_never_noted_is_waited_for_too(
    provider: VagrantProvider,
) -> None:
    play(provider, "", "echo > begun; sleep 1; echo > through")
    code = (
        "import os; from pathlib import Path; from provision.providers.vagrant import runner\n"
        # Killed between the start and the note of what was started.
        "runner._birth = lambda _: os.kill(os.getpid(), 9)\n"
        f"runner = runner.Runner(Path({str(provider.state)!r}), 60)\n"
        "for _ in runner.up(stream_output=True): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CLONE, check=False)
    assert done.returncode == -signal.SIGKILL
    assert provider.runner.journal.exists()
    list(provider.runner.finish_earlier())
    assert (provider.state / "through").exists()
    assert not provider.runner.journal.exists()
    list(provider.runner.finish_earlier())


def test_a_number_used_again_is_not_taken_for_our_vagrant(provider: VagrantProvider) -> None:
    provider.runner.log.touch()
    provider.runner.journal.write_text(json.dumps({"pid": os.getpid(), "since": 12.0}))
    assert list(provider.runner.finish_earlier()) == []
    began = runner._birth(os.getpid())
    assert began is not None
    assert runner._is_same(os.getpid(), began)


def test_a_recreated_machine_is_trusted_again(provider: VagrantProvider) -> None:
    known = provider.state / "known_hosts"
    known.write_text("old\n")
    provider.up(quiet())
    assert not known.exists()


def test_destroy_forgets_all_and_an_earlier_plan_is_found_again(provider: VagrantProvider) -> None:
    provider.up(quiet())
    again = VagrantProvider.from_state(provider.lab)
    assert again is not None
    assert again.plan == PLAN
    assert again.destroy(quiet()) == ["machine machine1", "machine machine2"]
    assert again.leftovers() == []


def test_a_box_that_is_nowhere_is_reported_while_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    monkeypatch.setattr(select, "unreachable", lambda: "no network")
    (tmp_path / "lab.toml").write_text('box = "nobody/nothing"\n')
    lab = load.load(tmp_path / "lab.toml")
    with pytest.raises(UserError, match="'nobody/nothing' for virtualbox is not in Vagrant's box"):
        select.choose(lab, VirtualBox(), print)
    (tmp_path / "boxes" / "nobody-VAGRANTSLASH-nothing" / "1.0" / "virtualbox").mkdir(parents=True)
    assert select.choose(lab, VirtualBox(), print).name == "nobody/nothing"


# -- checkpoints ------------------------------------------------------------------------------

# As Vagrant 2.3 prints it: a machine's name above its own, and two lines where there is none.
LISTED = """==> machine1: \nfirst\nready\n==> machine2: \nready\nfirst\nlast\n"""
NONE = """==> machine1: \nready
==> machine2: No snapshots have been taken yet!
    machine2: You can take a snapshot using `vagrant snapshot save`. Note that
    machine2: not all providers support this yet.
"""


def checkpoints(provider: VagrantProvider) -> Checkpoints:
    kept = provider.checkpoints
    assert kept is not None
    return kept


def test_checkpoints_are_those_that_every_machine_has(provider: VagrantProvider) -> None:
    play(provider, LISTED, "true")
    assert checkpoints(provider).names() == ["first", "ready"]
    play(provider, NONE, "true")
    assert checkpoints(provider).names() == []
    assert calls(provider) == ["snapshot list --no-tty"] * 2


def test_all_machines_are_saved_restored_and_forgotten_in_one_call_each(
    provider: VagrantProvider,
) -> None:
    printed = io.StringIO()
    play(provider, "==> machine2: Restoring the snapshot 'a'...\n", "true")
    checkpoints(provider).save("a", quiet())
    checkpoints(provider).restore("a", quiet(printed))
    checkpoints(provider).forget("a")
    assert calls(provider) == [
        "snapshot save --force a --no-tty",
        "snapshot restore --no-provision a --no-tty",
        "snapshot delete a --no-tty",
    ]
    assert "machine2: restoring the checkpoint" in printed.getvalue()


def test_forwarded_ports_are_opened_again_by_up_and_after_a_restore(
    provider: VagrantProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab.toml"
    forward = "forward = [{ guest = 80, host = 18080 }]"
    file.write_text(f'machines = [{{ name = "machine1", {forward} }}, {{ name = "machine2" }}]')
    made = VagrantProvider(load.load(file), PLAN)
    opened = []
    monkeypatch.setattr(made.backend, "forward", lambda _, _ends, restored: opened.append(restored))
    monkeypatch.setattr(made, "states", lambda: dict.fromkeys(["machine1", "machine2"], "running"))
    made.up(quiet())
    # Vagrant has done it itself.
    assert opened == []
    made.up(quiet())
    checkpoints(made).restore("a", quiet())
    assert opened == [False, True]


def test_a_checkpoint_that_fails_is_reported_in_vagrants_last_words(
    provider: VagrantProvider,
) -> None:
    play(provider, "", "echo; echo The snapshot name is already used.; exit 1")
    with pytest.raises(MachineError, match="snapshot save failed: The snapshot name is already"):
        checkpoints(provider).save("a", quiet())


def test_what_up_would_do_is_reported_without_a_call_of_vagrant(
    provider: VagrantProvider, tmp_path: Path
) -> None:
    text = plan.preview(
        provider.lab, provider, {"machine1": "running", "machine2": "stopped"}
    ).splitlines()
    assert "machine1: running: stays" in text
    assert "machine2: would be booted" in text
    assert not (tmp_path / "calls").exists()


def test_what_up_would_make_is_reported_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab.toml").write_text('box = "some/box"\n[machines]\nmemory = 2048\n')
    lab = load.load(tmp_path / "lab.toml")
    monkeypatch.setattr(plan, "choose_provider", lambda _: ("libvirt", "it is here"))
    monkeypatch.setattr(conflicts, "foretell", lambda *_: None)
    text = dry_run.dry_run(lab, quiet()).splitlines()
    assert text[:2] == ["provider libvirt: it is here", "box some/box"]
    assert "machine2: would be made: 1 CPU, 2048 MiB, 192.168.56.12" in text
    assert [path.name for path in tmp_path.iterdir()] == ["lab.toml"]


def test_machines_that_got_one_address_are_named_with_the_reason(
    provider: VagrantProvider,
) -> None:
    program = provider.lab.home / "bin" / "vagrant"
    program.write_text(FAKE.replace("Port 220%s", "Port 22%.0s"))
    with pytest.raises(MachineError, match="machine1, machine2 have one address, 127") as caught:
        provider.up(quiet())
    assert "/etc/machine-id" in caught.value.advice


def test_machines_whose_first_start_failed_are_created_again(provider: VagrantProvider) -> None:
    """One that runs would keep the name and the address that Vagrant has not given it."""
    play(provider, "Setting the hostname failed\n", "exit 1")
    with pytest.raises(MachineError):
        provider.up(quiet())
    play(provider, "", "true")
    printed = io.StringIO()
    provider.up(quiet(printed))
    assert "recreating machine1, machine2: the first start has failed" in printed.getvalue()
    made = calls(provider)
    assert made[1:3] == [
        "destroy --force machine1 machine2 --no-tty",
        "up --provider=virtualbox --no-tty",
    ]
    provider.up(quiet())
    assert not any(line.startswith("destroy") for line in calls(provider)[len(made) :])


def test_machines_that_were_there_before_a_start_failed_are_kept(provider: VagrantProvider) -> None:
    provider.up(quiet())
    play(provider, "Timed out while waiting\n", "exit 1")
    with pytest.raises(MachineError):
        provider.up(quiet())
    play(provider, "", "true")
    provider.up(quiet())
    assert not any(line.startswith("destroy") for line in calls(provider))
