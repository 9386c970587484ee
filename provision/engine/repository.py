"""Docker's own package repository on a machine: its key compared, its packages of one version.

Sources: https://docs.docker.com/engine/install/debian/ and …/fedora/.
"""

from __future__ import annotations

import shlex

from provision.engine.apt import APT
from provision.engine.facts import PACKAGES
from provision.engine.paths import APT_KEY, APT_LIST, RPM_KEY, RPM_REPO
from provision.engine.systems import Source

URL = "https://download.docker.com/linux"
# The fingerprints of Docker's keys, as the pages above print them.
APT_FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
RPM_FINGERPRINT = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
HOLD = f"patiently apt-mark hold {' '.join(PACKAGES)}"

# A file with a second key beside the right one is refused as well: packages of it would be taken.
_FETCH_KEY = """
fetch_key() {
  curl -fsSL --proto "=https" "$1" -o "$temporary/key"
  found=$(GNUPGHOME="$temporary" gpg --batch --show-keys --with-colons "$temporary/key" |
    awk -F: '$1 == "pub" {key = 1} $1 == "fpr" && key {print $10; key = 0}' | xargs)
  if [ "$found" != "$2" ]; then
    echo "the key at $1 is not Docker's: its fingerprint is ${found:-none}, not $2" >&2
    exit 1
  fi
  install -m 0644 -D "$temporary/key" "$3"
}
"""


def apt(source: Source, wanted: str, options: str) -> list[str]:
    """The shell lines that install one version with apt, and hold it back from upgrades.

    A host that has Docker's repository already keeps its own entry: apt refuses a second one with
    another key. What is begun here goes again when anything fails.
    """
    base = f"{URL}/{source.folder}"
    pattern = shlex.quote(rf"^[0-9]+:{wanted.replace('.', chr(92) + '.')}[.~-]")
    missing = shlex.quote(f"Docker's repository has no docker-ce {wanted} for {source.release}")
    entry = f"[arch=$(dpkg --print-architecture) signed-by={APT_KEY}]"
    return [
        f"{APT} install -y {options} $(lacking ca-certificates curl gpg iptables)",
        _FETCH_KEY.strip(),
        f"rm -f {APT_LIST}",
        f"if ! grep -rqsE '^[^#]*{URL}' /etc/apt/sources.list /etc/apt/sources.list.d; then",
        f"  begun='{APT_KEY} {APT_LIST}'",
        f"  fetch_key {base}/gpg {APT_FINGERPRINT} {APT_KEY}",
        f'  echo "deb {entry} {base} {shlex.quote(source.release)} stable" > {APT_LIST}',
        f"  {APT} update",
        "fi",
        "version=$(apt-cache madison docker-ce | awk '{print $3}' | grep -E "
        + pattern
        + " | head -n 1)",
        f'[ -n "$version" ] || {{ echo {missing} >&2; exit 1; }}',
        f"{APT} install -y {options} --allow-downgrades "
        '"docker-ce=$version" "docker-ce-cli=$version" containerd.io',
        HOLD,
        "begun=",
    ]


def dnf(source: Source, wanted: str) -> list[str]:
    """The shell lines that install one version with dnf. Nothing holds it back from upgrades."""
    base = f"{URL}/{source.folder}"
    whole = f"{wanted}-*" if wanted.count(".") == 2 else f"{wanted}.*"
    return [
        "command -v gpg >/dev/null || patiently dnf -y install gnupg2",
        _FETCH_KEY.strip(),
        f"rm -f {RPM_REPO}",
        f"if ! grep -qsE '^baseurl *= *{URL}' /etc/yum.repos.d/*.repo; then",
        f"  begun='{RPM_KEY} {RPM_REPO}'",
        f"  fetch_key {base}/gpg {RPM_FINGERPRINT} {RPM_KEY}",
        f"  cat > {RPM_REPO} <<'END'",
        "[swarmrig-docker]",
        "name=Docker's own repository",
        f"baseurl={base}/$releasever/$basearch/stable",
        "gpgcheck=1",
        f"gpgkey=file://{RPM_KEY}",
        "END",
        "fi",
        f"patiently dnf -y install 'docker-ce-3:{whole}' 'docker-ce-cli-1:{whole}' containerd.io",
        "begun=",
    ]
