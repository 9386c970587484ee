"""What a kernel lacks is told by the machine itself, and never guessed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.machine.machine import Result
from scenarios.checks import kernel
from scenarios.kit.step import StepFailed


class Answers:
    name = "machine1"

    def __init__(self, stdout: str, exit_code: int | None = 0) -> None:
        self.result = Result("machine1", "?", stdout, "sudo: no", exit_code, "", 0.0)

    def run(self, *_: Any, **__: Any) -> Result:
        return self.result


def without(answers: Any) -> str:
    return kernel.without_ipvs(answers)


def test_a_kernel_with_ipvs_lacks_nothing() -> None:
    assert without(Answers("yes\n")) == ""


def test_one_without_it_is_named() -> None:
    assert without(Answers("no\n")) == "the kernel of machine1 has no IPVS"


@pytest.mark.parametrize(
    "answer",
    [Answers("", 1), Answers("no\n", 1), Answers("no\n", None), Answers(""), Answers("motd\nno")],
    ids=["sudo refuses", "no, and failed", "cut off", "nothing", "more than an answer"],
)
def test_no_answer_is_no_reason_to_skip(answer: Answers) -> None:
    with pytest.raises(StepFailed, match="machine1: whether its kernel has IPVS cannot be told"):
        without(answer)


@pytest.mark.parametrize(("modprobe", "said"), [("exit 0", "yes"), ("exit 1", "no"), ("", "no")])
def test_a_module_that_can_be_loaded_counts(tmp_path: Path, modprobe: str, said: str) -> None:
    """Without modprobe, as in a container, the kernel has what shows in /proc."""
    if Path("/proc/net/ip_vs").exists():
        pytest.skip("this machine's own kernel has IPVS loaded")
    if modprobe:
        program = tmp_path / "modprobe"
        program.write_text(f"#!/bin/sh\n{modprobe}\n")
        program.chmod(0o755)
    script = kernel._HAS_IPVS.replace("PATH=$PATH:/usr/sbin:/sbin; ", "")
    shell = "/bin/sh"
    done = subprocess.run(
        [shell, "-c", script],
        env={**os.environ, "PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == said
