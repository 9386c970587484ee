"""Tests of provision.lab."""
