"""`[proxy]`: what is checked of it, and the environment variables that programs take it from."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from provision.lab.model import Lab, Proxy
from provision.support.redact import redacted

# What a URL is made of (RFC 3986), without the apostrophe: the value stands in quotes on machines.
_URL = r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]+"
_LIST = r"[A-Za-z0-9\-._~:/\[\]*, ]+"
_LOCAL = ("localhost", "127.0.0.0/8", "::1")
NAMES = ("http_proxy", "https_proxy", "no_proxy")
URL_ALLOWED = 'the URL of a proxy, such as "http://proxy.example:3128"'


def problem(url: str) -> str:
    """What is wrong with a proxy's URL, in words that do not show it; "" where nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"allowed: {URL_ALLOWED}"
    if not re.fullmatch(_URL, url) or not parts.hostname or port == 0:
        return (
            f"allowed: {URL_ALLOWED}; in a name or password, special characters are written as %XX"
        )
    return ""


def list_problem(text: str) -> str:
    """What is wrong with a list of what needs no proxy; "" where nothing is."""
    if re.fullmatch(_LIST, text):
        return ""
    return (
        'allowed: names, addresses and networks, separated by commas, such as ".example,10.0.0.5"'
    )


def shown(proxy: Proxy) -> str:
    """The proxy in words, without a password."""
    return redacted(" and ".join(dict.fromkeys(url for url in (proxy.http, proxy.https) if url)))


def variables(lab: Lab) -> dict[str, str]:
    """The variables, in both spellings: curl reads http_proxy in lower case alone.

    What the machines reach among themselves needs no proxy.
    """
    if lab.proxy is None:
        return {}
    given = {"http_proxy": lab.proxy.http, "https_proxy": lab.proxy.https}
    if lab.proxy.http or lab.proxy.https:
        given["no_proxy"] = ",".join(bypassed(lab))
    found = {name: value for name, value in given.items() if value}
    return {**found, **{name.upper(): value for name, value in found.items()}}


def bypassed(lab: Lab) -> list[str]:
    """What is reached without the proxy."""
    listed = lab.proxy.no_proxy.replace(" ", "").split(",") if lab.proxy else []
    networks = [] if lab.provider == "hosts" else [lab.subnet]
    machines = [word for machine in lab.machines for word in (machine.name, machine.address)]
    return list(dict.fromkeys(word for word in [*listed, *_LOCAL, *networks, *machines] if word))


@contextlib.contextmanager
def in_environment(lab: Lab) -> Iterator[None]:
    """Programs that this process starts meanwhile use the lab's proxy, if it has one."""
    before = dict(os.environ)
    os.environ.update(variables(lab))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def hint(lab: Lab, environment: Mapping[str, str] | None = None) -> str:
    """That this host has a proxy that the machines do not use, in one line; "" where it has none.

    Its value is not taken: it may be one that machines do not reach, or hold a password.
    """
    env = os.environ if environment is None else environment
    there = [key for key in ("http", "https") if env.get(f"{key}_proxy") or _upper(env, key)]
    if lab.proxy or not there:
        return ""
    names = ", ".join(f"{key.upper()}_PROXY" for key in there)
    keys = " and ".join(f"proxy.{key}" for key in there)
    return (
        f"{names} {'is' if len(there) == 1 else 'are'} set on this host, and the machines do not "
        f"use it; if they need a proxy, set {keys} in {lab.file.name}"
    )


def _upper(environment: Mapping[str, str], key: str) -> str:
    return environment.get(f"{key.upper()}_PROXY", "")
