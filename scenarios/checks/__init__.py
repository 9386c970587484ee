"""Checks that scenarios share."""
