"""What is made of the text that Vagrant prints."""

from __future__ import annotations

import pytest

from provision.providers.vagrant import output

BEGIN = """
--- 2024-01-01T10:00:00+00:00 vagrant up --provider=virtualbox --no-tty
Bringing machine 'machine1' up with 'virtualbox' provider...
==> machine1: Importing base box 'bento/debian-12'...
==> machine1: Preparing network interfaces based on configuration...
    machine1: Adapter 1: nat
"""
# Texts of Vagrant 2.3's templates/locales/en.yml.
RANGE = """The IP address configured for the host-only network is not within the
allowed ranges. Please update the address used to be within the allowed
ranges and run the command again.

  Address: 10.1.0.11
  Ranges: 192.168.56.0/21

Valid ranges can be modified in the /etc/vbox/networks.conf file. For
more information including valid format see:

  https://www.virtualbox.org/manual/ch06.html#network_hostonly
"""
TIMED_OUT = """Timed out while waiting for the machine to boot. This means that
Vagrant was unable to communicate with the guest machine within
the configured ("config.vm.boot_timeout" value) time period.

If you look above, you should be able to see the error(s) that
Vagrant had when attempting to connect to the machine. These errors
are usually good hints as to what may be wrong.

If you're using a custom box, make sure that networking is properly
working and you're able to connect to the machine. It is a common
problem that networking isn't setup properly in these boxes.
Verify that authentication configurations are also setup properly,
as well.

If the box appears to be booting properly, you may want to increase
the timeout ("config.vm.boot_timeout") value.
"""
VERSION = """The provider 'virtualbox' that was requested to back the machine
'machine1' is reporting that it isn't usable on this system. The
reason is shown below:

Vagrant has detected that you have a version of VirtualBox installed
that is not supported by this version of Vagrant. Please install one of
the supported versions listed below to use Vagrant:

4.0, 4.1, 4.2, 4.3, 5.0, 5.1, 5.2, 6.0, 6.1, 7.0

A Vagrant update may also be available that adds support for the version
you specified. Please check www.vagrantup.com/downloads.html to download
the latest version.
"""
GURU = """The guest machine entered an invalid state while waiting for it
to boot. Valid states are 'starting, running'. The machine is in the
'gurumeditation' state. Please verify everything is configured
properly and try again.

If the provider you're using has a GUI that comes with it,
it is often helpful to open that and watch the machine, since the
GUI often has more helpful error messages than Vagrant can retrieve.
For example, if you're using VirtualBox, run `vagrant up` while the
VirtualBox GUI is open.

The primary issue for this error is that the provider you're using
is not properly configured. This is very rarely a Vagrant issue.
"""
MANAGE = """There was an error while executing `VBoxManage`, a CLI used by Vagrant
for controlling VirtualBox. The command and stderr is shown below.

Command: ["startvm", "6d6c…", "--type", "headless"]

Stderr: VBoxManage: error: VT-x is disabled in the BIOS (VERR_VMX_MSR_ALL_VMX_DISABLED)
VBoxManage: error: Details: code NS_ERROR_FAILURE (0x80004005), component ConsoleWrap
"""
PARALLEL = """An error occurred while executing multiple actions in parallel.
Any errors that occurred are shown below.

An error occurred while executing the action on the 'machine1'
machine. Please handle this error then try again:

Call to virDomainCreateWithFlags failed: internal error: Network is already in use
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (RANGE, "Address: 10.1.0.11 Ranges: 192.168.56.0/21"),
        (TIMED_OUT, "Timed out while waiting for the machine to boot."),
        (VERSION, "a version of VirtualBox installed that is not supported by this version"),
        (GURU, "The machine is in the 'gurumeditation' state."),
        (MANAGE, "VT-x is disabled in the BIOS"),
        (PARALLEL, "Network is already in use"),
    ],
    ids=["range", "boot time-out", "version", "guru meditation", "VBoxManage", "parallel"],
)
def test_a_failure_is_reported_with_its_cause(text: str, cause: str) -> None:
    message = output.error_message(BEGIN + text)
    assert cause in message
    assert message.startswith(" ".join(text.split())[:40])
    assert "Importing" not in message
    assert len(message.splitlines()) <= 8


def test_an_error_before_other_machines_have_ended_is_found() -> None:
    log = BEGIN + PARALLEL + "==> machine2: Halting domain...\n\n"
    assert "Network is already in use" in output.error_message(log)


def test_an_error_of_an_earlier_command_is_not_reported() -> None:
    message = output.error_message(BEGIN + RANGE + BEGIN + TIMED_OUT)
    assert "Address" not in message
    assert message.startswith("Timed out")


def test_a_failure_without_a_message_is_reported_with_the_last_lines() -> None:
    assert output.error_message(BEGIN).endswith("Adapter 1: nat")
    assert output.error_message("") == ""


def test_a_long_message_keeps_its_first_and_last_lines() -> None:
    message = output.error_message(BEGIN + "\n".join(f"word{number}" for number in range(100)))
    assert message == "word0 word1 word2 word3 word4 word5\n…\nword98 word99"


def repaints(count: int) -> str:
    return "".join(f"\r\x1b[KProgress: {number * 100 // count}%" for number in range(count + 1))


def test_of_repaints_the_first_and_the_last_are_kept_and_all_other_lines() -> None:
    log = f"{BEGIN}{repaints(5000)}\r\x1b[K==> machine1: Booting VM...\n{RANGE}"
    text = output.compact(log)
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.count("Progress: ") == 2
    assert "Progress: 0%\n… (4999 repaints)\nProgress: 100%\n==> machine1: Booting VM...\n" in text
    assert text.startswith(BEGIN)
    assert text.endswith(RANGE)
    assert output.compact(text) == text


def test_percentages_on_lines_of_their_own_are_thinned_out_and_other_numbers_are_not() -> None:
    lines = "".join(f"    box: Progress: {n}% (Rate: {n}k/s)\n" for n in range(100))
    ports = "".join(f"    machine1: {n} (guest) => 222{n} (host) (adapter 1)\n" for n in range(5))
    text = output.compact(lines + ports)
    assert text.count("Progress") == 2
    assert text.endswith(ports)


def test_windows_line_ends_are_no_repaints() -> None:
    assert output.compact("1\r\n2\r\n3\r\n4\r\n5\r\n") == "1\n2\n3\n4\n5\n"
