"""The hosts themselves: real, apart from this machine, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.hosts.light_hosts import Fabric, Host

CLONE = Path(__file__).parent.parent.parent


def test_each_host_has_its_own_docker_and_reaches_the_other(two_hosts: list[Host]) -> None:
    one, two = two_hosts
    assert one.exec("docker", "info", "-f", "{{.Name}}").stdout.strip() == "machine1"
    assert one.exec("ping", "-c1", "-W2", two.address).returncode == 0


def test_there_is_no_way_out(two_hosts: list[Host]) -> None:
    assert "default" not in two_hosts[0].exec("ip", "route").stdout


def test_nothing_of_it_is_in_the_machines_own_namespace(two_hosts: list[Host]) -> None:
    assert "10.77.0." not in Path("/proc/1/net/fib_trie").read_text()
    assert "10.77.0." in Path("/proc/thread-self/net/fib_trie").read_text()


def test_a_power_cut_keeps_the_disk_and_a_new_machine_does_not(fabric: Fabric) -> None:
    (host,) = fabric.add("machine9")
    host.exec("touch", "/root/kept")
    key = host.exec("cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
    host.crash()
    host.boot()
    host.wait_ready()
    assert host.exec("test", "-e", "/root/kept", check=False).returncode == 0
    host.recreate()
    host.wait_ready()
    assert host.exec("test", "-e", "/root/kept", check=False).returncode != 0
    assert host.exec("cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout != key
    fabric.remove(host)


def test_killing_the_tests_leaves_no_process_folder_or_cgroup() -> None:
    code = (
        "from tests.hosts.light_hosts import Fabric; f = Fabric.start(); f.add('machine1');"
        "print(f.folder, flush=True); import time; time.sleep(600)"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CLONE, stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    folder = Path(victim.stdout.readline().strip())
    assert folder.is_dir()
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()

    def left() -> str:
        found = subprocess.run(
            ["find", "/sys/fs/cgroup", "-path", f"*{folder.name}*"],
            check=False,
            capture_output=True,
            text=True,
        ).stdout
        processes = subprocess.run(
            ["pgrep", "-f", folder.name], check=False, capture_output=True, text=True
        ).stdout
        return found + processes + (str(folder) if folder.exists() else "")

    Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.3), retry=retry_if_result(bool))(left)
