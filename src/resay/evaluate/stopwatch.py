"""Run one command and print its seconds and peak memory as JSON: `python stopwatch.py COMMAND …`.

A process of its own, because a child's peak counts the memory of whoever started it: of a program that holds judges it
would be gigabytes. This one needs the standard library alone and stays small.
"""

import json
import os
import subprocess
import sys
import time


def main() -> int:
    """The command's exit code; its complaints pass through on standard error."""
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    peak = None
    if hasattr(os, "wait4"):
        # Not `process.wait`: only wait4 tells what this one child used, in kilobytes except on macOS.
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    else:
        code = process.wait()
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_bytes": peak}))
    return code


if __name__ == "__main__":
    sys.exit(main())
