"""With no network but the machine's own: the page, a browser and a client work, and ask for nothing elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from resay.synthesis import SHIPPED

pytest.importorskip("gradio")

ALONE = ["unshare", "--map-root-user", "--net"]
"""Starts a program in a network of its own, where there is nothing, not even the way to itself."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def can_be_alone() -> bool:
    if not all(map(shutil.which, ("unshare", "ip", "chromium"))):
        return False
    return subprocess.run([*ALONE, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


def asked_by(page: str, net_log: Path) -> set[str]:
    """Hosts that a page asked for, as the browser logged them; what the browser wants for itself is left out."""
    log = json.loads(net_log.read_text(encoding="utf-8"))
    kind = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = [event.get("params", {}) for event in log["events"] if event["type"] == kind]
    own = [one["url"] for one in found if one.get("url", "").startswith(page) or page in one.get("initiator", "") + "/"]
    assert own, "the browser asked for nothing"
    return {urlsplit(url).hostname or "" for url in own if url.startswith("http")}


def alone(folder: Path) -> None:
    """Runs in the empty network: the command serves, a browser shows the page, a client speaks."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with pytest.raises(OSError):  # noqa: PT011 - whichever error a missing network gives
        socket.create_connection(("192.0.2.1", 80), timeout=2)
    address = "http://127.0.0.1:8080/"
    serve = [sys.executable, "-m", "resay", "serve", "--data", str(folder / "data"), "--voices", str(folder / "voices")]
    with subprocess.Popen(serve) as server:
        try:
            ready(f"{address}readyz", server)
            browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
            browser += [f"--user-data-dir={folder / 'browser'}", f"--log-net-log={folder / 'log.json'}", "--dump-dom"]
            shown = subprocess.run([*browser, address], check=True, capture_output=True, text=True, timeout=300).stdout
            assert "resay-title" in shown
            assert "textarea" in shown  # scripts have run, so the page is all there
            assert asked_by(address, folder / "log.json") <= set(LOOPBACK)
            body = {"model": "resay", "voice": "ada", "input": "Say it again.", "response_format": "wav"}
            head = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}v1/audio/speech", json.dumps(body).encode(), head)
            with urllib.request.urlopen(request, timeout=120) as answer:
                assert answer.read(4) == b"RIFF"
        finally:
            server.terminate()


def ready(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the server did not start")


@pytest.mark.slow
@pytest.mark.skipif(not (SHIPPED / "model.json").is_file(), reason="there are no shipped weights")
@pytest.mark.skipif(not can_be_alone(), reason="no chromium, or no right to a network of one's own")
def test_without_any_network_everything_works(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "RESAY_SEEDS": str(tmp_path / "seeds.jsonl")}
    done = subprocess.run(
        [*ALONE, sys.executable, __file__, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_request_that_leaves_the_machine_is_seen(tmp_path):
    log = tmp_path / "log.json"
    page, other = "http://127.0.0.1:8080/", "https://fonts.example/x.woff"
    events = [
        {"type": 7, "params": {"url": page, "initiator": "not an origin"}},
        {"type": 7, "params": {"url": other, "initiator": "http://127.0.0.1:8080"}},
        {"type": 7, "params": {"url": "https://update.example/", "initiator": "not an origin"}},
        {"type": 8, "params": {"url": "https://unrelated.example/"}},
    ]
    log.write_text(json.dumps({"constants": {"logEventTypes": {"URL_REQUEST_START_JOB": 7}}, "events": events}))
    assert asked_by(page, log) == {"127.0.0.1", "fonts.example"}


if __name__ == "__main__":
    alone(Path(sys.argv[1]))
