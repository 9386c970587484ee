"""Settings merged into daemon.json."""

from __future__ import annotations

import json

import pytest

from provision.engine import daemon_config


def test_a_setting_is_added_and_what_was_there_stays_in_its_order() -> None:
    text = '{\n  "bip": "172.18.0.1/24",\n  "log-opts": {"max-size": "1m"}\n}\n'
    new = daemon_config.merged(text, {"min-api-version": "1.24"})
    assert list(json.loads(new).items()) == [
        ("bip", "172.18.0.1/24"),
        ("log-opts", {"max-size": "1m"}),
        ("min-api-version", "1.24"),
    ]


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_file_gets_the_setting_alone(text: str) -> None:
    assert json.loads(daemon_config.merged(text, {"a": "b"})) == {"a": "b"}


def test_a_file_that_says_it_already_is_not_written_again() -> None:
    text = '{"min-api-version":   "1.24"}'
    assert daemon_config.merged(text, {"min-api-version": "1.24"}) is text


def test_another_value_is_replaced() -> None:
    assert json.loads(daemon_config.merged('{"a": 1}', {"a": 2})) == {"a": 2}


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "{} {}"])
def test_a_file_that_is_no_object_is_left_to_its_owner(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own words differ
        daemon_config.merged(text, {"a": "b"})
