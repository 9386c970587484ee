"""A channel as a socket: when it is of no more use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.machine.channel import ChannelSocket


@pytest.mark.parametrize(
    ("closed", "ended", "of_no_use"),
    [(False, False, False), (True, False, True), (False, True, True)],
)
def test_a_connection_whose_other_end_has_ended_is_not_used_again(
    closed: bool, ended: bool, of_no_use: bool
) -> None:
    channel: Any = SimpleNamespace(closed=closed, eof_received=ended)
    assert ChannelSocket(channel).closed == of_no_use
