"""swarmrig.lock."""

NAME = "swarmrig.lock"
