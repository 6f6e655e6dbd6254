"""Take the pictures of the studio that the documents show: a server of its own, a sentence spoken, a browser's view.

    python bench/studio_picture.py [--write docs/images/studio.png] [--language en-US] [--width 1280] [--height 1500]

Needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from browser import Browser

from resay.studio.words import WORDS

TEXTS = {"en": "Say it again, exactly. 再说一遍，一字不差。", "zh": "再说一遍，一字不差。Say it again, exactly."}
READY = "[...document.querySelectorAll('input[role=combobox]')].some(i => i.value !== '')"
TABS = ("speak", "audition", "batch", "voices", "seeds", "lexicon", "replay")
FOUND = "[...document.querySelectorAll('code')].some(c => /^[0-9a-f]{12}$/.test(c.textContent))"


def serve(folder: str) -> tuple[subprocess.Popen[bytes], str]:
    """A studio that is ready, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"RESAY_VOICES": f"{folder}/voices", "RESAY_SEEDS": f"{folder}/seeds.jsonl"}
    command = [sys.executable, "-m", "resay", "studio", "--no-browser", "--port", str(port), "--data", folder]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **places})
    address = f"http://127.0.0.1:{port}/"
    while process.poll() is None:
        try:
            urllib.request.urlopen(address + "healthz").close()
            return process, address
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the studio did not start; try: resay studio")


async def photograph(address: str, target: Path, folder: Path, language: str, size: tuple[int, int], tab: str) -> None:
    """Speak a sentence and take the picture."""
    chinese = language.startswith("zh")
    async with Browser(folder / "browser", language, *size) as page:
        await page.call("Page.navigate", url=address)
        await page.until(READY, 180)
        if tab == "speak":
            await page.write("textarea", TEXTS["zh" if chinese else "en"])
            await asyncio.sleep(0.5)
            await page.click(WORDS["go"][chinese])
            await page.until(FOUND, 180)
            await page.until("document.querySelector('.resay-picture svg') !== null", 180)
        else:
            await page.tab(WORDS[tab][chinese])
        await asyncio.sleep(3)  # until the waveform is drawn
        await page.picture(target)


def main() -> int:
    """Start, look, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, default=Path("docs/images/studio.png"))
    parser.add_argument("--language", default="en-US")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1500)
    parser.add_argument("--tab", default="speak", choices=TABS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, address = serve(folder)
        try:
            size = (chosen.width, chosen.height)
            asyncio.run(photograph(address, chosen.write, Path(folder), chosen.language, size, chosen.tab))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    print(chosen.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
