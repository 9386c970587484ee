"""Whether KVM works is found by trying."""

from __future__ import annotations

import os

import pytest

from provision.providers.libvirt import kvm


def test_kvm_is_not_believed_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert kvm.verdict(fresh=True).works is False
