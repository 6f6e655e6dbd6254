"""onnxruntime and what is built on it, which everybody gets from here: it must not report to its makers.

From version 1.29 on its official builds send the names and digests of networks, the machine and an identifier of the
user to a server of Microsoft's, from the moment they are imported (its Privacy.md). Whoever speaks here has not agreed
to that.
"""

from __future__ import annotations

import os

SWITCH = "ORT_DISABLE_TELEMETRY"
"""Read once, when onnxruntime is first imported; calling its function later is too late for the first report."""

_before = os.environ.get(SWITCH)
os.environ[SWITCH] = "1"
try:
    import onnxruntime
    from swift_f0 import SwiftF0
finally:
    # The environment is the program's that imports us, and what it starts is not our business.
    if _before is None:
        del os.environ[SWITCH]
    else:
        os.environ[SWITCH] = _before

__all__ = ["SwiftF0", "onnxruntime"]
