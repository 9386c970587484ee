"""How a verb ends: each kind of error has its exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from invoke.exceptions import Exit

from provision.cli.errors import report_errors
from provision.support.errors import CheckFailed, MachineError, UserError


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (CheckFailed("no"), 1),
        (UserError("no"), 2),
        (MachineError("no"), 3),
        (OSError(28, "No space left on device", "f"), 3),
        (ZeroDivisionError("no"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_end_has_its_exit_code(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARMRIG_DEBUG", raising=False)

    def verb() -> None:
        raise raised

    wrapped: Callable[[], None] = report_errors(verb)
    with pytest.raises(Exit) as caught:
        wrapped()
    assert caught.value.code == code
