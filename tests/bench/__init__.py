"""Measurements, each of two ways to the same in one run: `python -m tests.bench`.

They print ratios, with their spread: seconds of one machine say little about another. No test
judges them.
"""

from pathlib import Path

CLONE = Path(__file__).parent.parent.parent
INV = str(CLONE / ".venv" / "bin" / "inv")
