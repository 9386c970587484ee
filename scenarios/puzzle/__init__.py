"""A fault that somebody else has planted: to be found, named and repaired."""
