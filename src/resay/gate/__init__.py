"""The quality gate: is a recording good enough to take a voice from, and if not, why, where, and what to do."""

from __future__ import annotations

from .checking import SPOILING, Gate, Item, Verdict, gate
from .ears import Ears

__all__ = ["SPOILING", "Ears", "Gate", "Item", "Verdict", "gate"]
