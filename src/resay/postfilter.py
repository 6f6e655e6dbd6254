"""Mels made clear on their way to the vocoder: peaks stand out from what surrounds them, the floor is lowered.

A network that learnt to be close on average says formants flatter, and the gaps between them fuller, than people do.
Speech coders meet the same blur behind the decoder with a filter that deepens the valleys of the spectrum (adaptive
postfiltering, Chen and Gersho 1995); what is far below the speech is lowered as by any downward expander.

Letters in shapes: T mel frames, M mel bands.
"""

from __future__ import annotations

import numpy as np

from .audio import SPEECH_LEVEL, running_mean

SURROUNDINGS = 9
"""Bands around each band that it is held against, an odd number."""
EMPHASIS = 0.1
"""Share of its distance to them that is added."""
DEEP = 3.0
"""Nepers under the speech level at which the expander sets in."""
EXPANSION = 0.5
"""Nepers that are taken off for every neper below that."""


def clarified(mel: np.ndarray) -> np.ndarray:
    """Log mels (T, M) at the shared speech level, with formants emphasised and the floor lowered, of the same type.

    Every frame is filtered by itself, so that speech may come in parts.
    """
    emphasised = mel + EMPHASIS * (mel - running_mean(mel, SURROUNDINGS, axis=1))
    return emphasised - EXPANSION * np.maximum(SPEECH_LEVEL - DEEP - emphasised, 0.0)
