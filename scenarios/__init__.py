"""One file per scenario, discovered automatically; `kit` is what they are written with."""
