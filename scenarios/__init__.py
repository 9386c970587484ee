"""One file per scenario, found by being there; `kit` is what they are written with."""
