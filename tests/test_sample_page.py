"""The page to listen to: what stands beside a sound makes it again."""

from __future__ import annotations

import base64
import html
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

from resay.synthesis import Engine
from resay.voices import VoiceLibrary

FOLDER = Path(__file__).parent.parent / "examples"


def test_every_sample_is_there_to_hear_and_to_make_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    sample_page = importlib.import_module("sample_page")
    page = sample_page.page(Engine(), [sample_page.CLIP])
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "Voices",
        "One text, three seeds",
        "Ways to sample",
        "Strength of the style",
        "Clones",
    ]
    assert not re.search(r"(src|href)=.https?:", page)  # nothing is fetched
    sounds = [base64.b64decode(content) for content in re.findall('base64,([^"]+)', page)]
    commands = [html.unescape(command) for command in re.findall("<code>(.*?)</code>", page)]
    assert len(sounds) == len(commands) + 1  # the clip itself is nobody's command
    assert len(commands) == len(VoiceLibrary().names()) + 2 * 3 + 3 + 3 + 2
    assert len(set(sounds)) >= len(sounds) - 4  # the usual sentence stands in several sections
    for number in (5, -1):
        again = tmp_path / f"again{number}.mp3"
        words = [sys.executable, "-m", *shlex.split(commands[number]), "-o", str(again)]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        assert again.read_bytes() == sounds[number]
