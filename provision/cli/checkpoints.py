"""The verbs `checkpoint.save`, `.list`, `.restore` and `.delete`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from provision.lab import load
from provision.lifecycle import applied, checkpoint_notes, checkpoints, running
from provision.support.progress import Progress


def save(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoints.save_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Checkpoint {name!r} of lab {lab.name!r} is saved.")


def show(lab_file: str) -> None:
    lab = load.load_lab(lab_file)
    now = checkpoint_notes.fingerprint(lab)
    lab = applied.current(lab)
    console = Console()
    there = checkpoints.listed(lab, running.provider_of(lab))
    table = Table(title=f"Checkpoints of lab {lab.name}", title_justify="left")
    for column in ("name", "saved", "of"):
        table.add_column(column)
    for name, kept in there.items():
        same = kept and kept.lab == now
        of = f"this {lab.file.name}" if same else f"another {lab.file.name}"
        table.add_row(name, kept.made if kept else "", of if kept else "made by other means")
    console.print(table if there else f"Lab {lab.name!r} has no checkpoints.")


def restore(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoints.restore_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Lab {lab.name!r} is reset to checkpoint {name!r}.")


def delete(lab_file: str, name: str) -> None:
    lab, progress = load.load_lab(lab_file), Progress()
    checkpoints.delete_checkpoint(lab, checkpoints.checked(name))
    progress.say(f"Checkpoint {name!r} is deleted.")
