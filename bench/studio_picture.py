"""Take the pictures of the studio that the documents show: a server of its own, a sentence spoken, a browser's view.

    python bench/studio_picture.py [--write docs/images/studio.png] [--language en-US] [--width 1280] [--height 1500]
        [--tab speak]

Needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from browser import Browser

from resay.studio.words import WORDS

TEXTS = {"en": "Say it again, exactly. 再说一遍，一字不差。", "zh": "再说一遍，一字不差。Say it again, exactly."}
READY = "[...document.querySelectorAll('input[role=combobox]')].some(i => i.value !== '')"
TABS = ("speak", "audition", "batch", "voices", "seeds", "lexicon", "replay")
Word = Callable[[str], str]
"""What the page calls something, in its language."""
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
    """Open a tab, let it do what it is for, and take the picture."""
    chinese = language.startswith("zh")
    async with Browser(folder / "browser", language, *size) as page:
        await page.call("Page.navigate", url=address)
        await page.until(READY, 180)
        if tab != "speak":
            await page.tab(WORDS[tab][chinese])
        await USES.get(tab, look)(page, folder, lambda name: WORDS[name][chinese], TEXTS["zh" if chinese else "en"])
        await asyncio.sleep(3)  # until the waveform is drawn
        await page.picture(target)


async def look(page: Browser, folder: Path, word: Word, text: str) -> None:
    """Nothing has to be done to see what is there."""


async def speak(page: Browser, folder: Path, word: Word, text: str) -> None:
    """A sentence, with its picture."""
    await page.write("textarea", text)
    await page.click(word("go"))
    await page.until(FOUND, 180)
    await page.until("document.querySelector('.resay-picture svg') !== null", 180)


async def audition(page: Browser, folder: Path, word: Word, text: str) -> None:
    """The sentence with three seeds."""
    await page.write("textarea", text)
    await page.click(word("compare"))
    await page.until("[...document.querySelectorAll('input[type=radio]')].some(i => i.value === 'seed 999')", 180)


async def batch(page: Browser, folder: Path, word: Word, text: str) -> None:
    """A job of five."""
    table = folder / "five.jsonl"
    lines = [{"output_name": f"item-{at}", "input_text": f"{at}. {text}"} for at in range(1, 6)]
    table.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    await page.upload(table)
    await page.says(table.name.removesuffix(".jsonl"))
    await page.write("input[type=text]:not([role]), textarea", "7", label=word("batch_seed"))
    await page.click(word("hand_in"))
    await page.until("document.querySelector('.resay-job[data-state=done]') !== null", 180)


USES = {"speak": speak, "audition": audition, "batch": batch}


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
