"""What a server says to itself before it says that it is ready."""

from __future__ import annotations

import threading

import pytest

from resay.cli import serve
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import VoiceLibrary

pytest.importorskip("fastapi")


def test_the_longest_piece_is_one_piece_and_nothing_said_in_one_go_is_longer():
    engine, voice = Engine(SHIPPED), VoiceLibrary().get("lan")
    for longest, others in zip(serve.LONGEST_PIECES, ("字" * 400, "word " * 200), strict=True):
        (whole,) = engine.stream(Request(longest), voice)
        for words in (longest * 6, others):
            pieces = list(engine.stream(Request(words), voice))
            assert len(pieces) > 1
            assert max(len(piece.sentence.ids) for piece in pieces) <= 1.1 * len(whole.sentence.ids)


def test_a_server_holds_from_the_start_what_its_longest_pieces_need_side_by_side(fake_engine, tmp_path, monkeypatch):
    together, said = threading.Barrier(3, timeout=10), []
    say = type(fake_engine).say

    def heard(engine, request: Request, voice, **options):
        said.append(request.text)
        if request.text in serve.LONGEST_PIECES:
            together.wait()  # breaks where not all three are under way
        return say(engine, request, voice, **options)

    monkeypatch.setattr(type(fake_engine), "say", heard)
    serve.made("127.0.0.1", tmp_path, tmp_path, serve.sources.Weights(), at_once=3, waiting=1)
    assert said == [*(text for text in serve.LONGEST_PIECES for _ in range(3)), *serve.WARMING]
