"""Tests of provision.lifecycle."""
