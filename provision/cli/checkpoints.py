"""The verbs `checkpoint.save`, `.list`, `.restore` and `.delete`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from provision.lab import load
from provision.lifecycle import checkpoint_verbs, checkpoints, running
from provision.support.progress import Progress


def save(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoint_verbs.save_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Checkpoint {name!r} of lab {lab.name!r} is kept.")


def show(lab_file: str) -> None:
    lab = load.load_lab(lab_file)
    console = Console()
    there = checkpoints.listed(lab, running.provider_of(lab))
    table = Table(title=f"Checkpoints of lab {lab.name}", title_justify="left")
    for column in ("name", "kept", "of"):
        table.add_column(column)
    for name, kept in there.items():
        same = kept and kept.lab == checkpoints.fingerprint(lab)
        of = f"this {lab.file.name}" if same else f"another {lab.file.name}"
        table.add_row(name, kept.made if kept else "", of if kept else "made by other means")
    console.print(table if there else f"Lab {lab.name!r} has no checkpoints.")


def restore(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoint_verbs.restore_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Lab {lab.name!r} is as it was at checkpoint {name!r}.")


def delete(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoint_verbs.delete_checkpoint(lab, checkpoints.checked(name))
    progress.say(f"Checkpoint {name!r} is deleted.")
