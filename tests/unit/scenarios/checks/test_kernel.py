"""What a kernel lacks is told by the machine itself, and never guessed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.checks import kernel
from scenarios.kit.step import StepFailed


def machine(exit_code: int | None) -> Any:
    answer = SimpleNamespace(exit_code=exit_code)
    return SimpleNamespace(name="machine1", run=lambda *_, **__: answer)


def test_a_kernel_with_ipvs_lacks_nothing() -> None:
    assert kernel.without_ipvs(machine(0)) == ""


@pytest.mark.parametrize("code", [1, 127], ids=["no module", "no modprobe"])
def test_one_without_it_is_named(code: int) -> None:
    assert kernel.without_ipvs(machine(code)) == "the kernel of machine1 has no IPVS"


@pytest.mark.parametrize("code", [None, 126, 255])
def test_no_answer_is_no_reason_to_skip(code: int | None) -> None:
    with pytest.raises(StepFailed, match="machine1: whether its kernel has IPVS cannot be told"):
        kernel.without_ipvs(machine(code))
