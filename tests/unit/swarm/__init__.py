"""Decisions about the swarm, from recorded facts."""
