"""Machines that are containers, made by Vagrant's docker provider."""
