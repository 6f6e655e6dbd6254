"""The command line: what it prints, what it writes, how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from resay import audio, consent, identity, manifest, voices
from resay.audio import Audio
from resay.cli import main, messages, sources
from resay.errors import BadFile

HIGHEST = 2**63 - 1


def refused(result, code=2):
    """Asserts a failure told in one line, and gives that line."""
    assert result[0] == code, result
    assert result[1] == ""
    assert result[2].count("\n") == 1
    return result[2]


# Speaking


def test_speaking_writes_the_sound_and_its_manifest(run, work):
    code, out, err = run("speak", "Good morning.", "--voice", "Ada", "-o", "out.wav")
    assert (code, err) == (0, "")
    assert "seed 42" in out
    assert sorted(path.name for path in work.iterdir()) == ["out.json", "out.wav"]
    made = manifest.read("out.json")
    assert made.output.digest == audio.read("out.wav").digest()
    assert made.output.file == "out.wav"
    assert made.request.seed == 42
    assert made.voice.name == "Ada"
    assert made.inputs.text == manifest.digest_of(b"Good morning.")


def test_same_command_twice_gives_the_same_bytes(run, work):
    for _ in range(2):
        assert run("speak", "Good morning.", "--voice", "Ada", "-o", "out.wav")[0] == 0
        content = [(work / name).read_bytes() for name in ("out.wav", "out.json")]
    assert [(work / name).read_bytes() for name in ("out.wav", "out.json")] == content


def test_seeds_differ_in_sound_and_agree_in_phonemes(run, work):
    for seed in (42, 1234):
        run("speak", "Good morning.", "--voice", "Ada", "--seed", seed, "-o", f"{seed}.wav")
    one, other = manifest.read("42.json"), manifest.read("1234.json")
    assert one.output.digest != other.output.digest
    assert one.pieces[0].phonemes == other.pieces[0].phonemes


def test_random_seed_is_told_and_recorded(run, work):
    report = json.loads(run("speak", "Hi.", "--voice", "Ada", "--seed", "random", "--json", "-o", "out.wav")[1])
    assert 0 <= report["seed"] < sources.DRAWN_SEEDS
    assert manifest.read("out.json").request.seed == report["seed"]


@pytest.mark.parametrize("seed", ["0", str(HIGHEST)])
def test_every_seed_of_63_bits_is_taken(run, seed):
    assert f"seed {seed}" in run("speak", "Hi.", "--voice", "Ada", "--seed", seed, "-o", "out.wav")[1]


def test_report_names_everything_that_was_made(run, work):
    report = json.loads(run("speak", "Hi.", "--voice", "Ada", "--json", "--subtitles", "srt", "-o", "out.flac")[1])
    assert {report[name] for name in ("output", "manifest", "subtitles")} == {"out.flac", "out.json", "out.srt"}
    assert report["seconds"] == pytest.approx(audio.read("out.flac").seconds)
    assert report["real_time_factor"] > 0
    assert report["first_sound_seconds"] > 0


def test_output_without_a_name_goes_to_outputs(run, work):
    run("speak", "Good morning!", "--voice", "Ada", "--seed", "7")
    assert sorted(path.name for path in (work / "outputs").iterdir()) == [
        "Good-morning-Ada-7.json",
        "Good-morning-Ada-7.wav",
    ]


@pytest.mark.parametrize("file_format", ["wav", "mp3", "opus", "flac", "pcm"])
def test_every_format_is_written(run, work, file_format):
    assert run("speak", "Good morning.", "--voice", "Ada", "--format", file_format, "-o", "out.bin")[0] == 0
    assert manifest.read("out.json").output.format == file_format
    assert (work / "out.bin").stat().st_size > 1000


@pytest.mark.parametrize(
    ("subtitles", "name"),
    [("srt", "out.srt"), ("vtt", "out.vtt"), ("textgrid", "out.TextGrid"), ("json", "out.words.json")],
)
def test_subtitles_lie_beside_the_sound(run, work, subtitles, name):
    assert run("speak", "Good morning.", "--voice", "Ada", "--subtitles", subtitles, "-o", "out.wav")[0] == 0
    assert "Good" in (work / name).read_text(encoding="utf-8")
    assert manifest.read("out.json").request.seed == 42


@pytest.mark.parametrize("file_format", ["wav", "mp3", "flac", "pcm"])
def test_other_rate_is_labelled_and_replayed(run, work, file_format):
    name = f"out.{file_format}"
    command = ["speak", "Good morning.", "--voice", "Ada", "--sample-rate", "32000"]
    code, out, _ = run(*command, "-o", name, "--json")
    assert code == 0
    assert json.loads(out)["bandwidth"] == 16_000
    made = manifest.read("out.json")
    assert (made.output.sample_rate, made.output.bandwidth) == (32_000, 16_000)
    assert made.output.samples == 4 * round(made.output.seconds * 80) * 100  # 400 for each of the model's 300
    if file_format != "pcm":
        assert audio.read(name).sample_rate == 32_000
    assert run("replay", "out.json", "-o", f"again.{file_format}")[0] == 0
    assert (work / f"again.{file_format}").read_bytes() == (work / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--sample-rate", "32000", "-o", "out.opus"], "opus cannot hold"),
        (["--sample-rate", "16000"], "24000 or 32000"),
    ],
)
def test_rate_that_cannot_be_is_refused(run, work, arguments, problem):
    code, out, err = run("speak", "Good morning.", "--voice", "Ada", *arguments)
    assert (code, out) == (2, "")
    assert problem in err.splitlines()[-1]
    assert list(work.iterdir()) == []


def test_text_comes_from_a_file(run, work):
    (work / "text.txt").write_bytes("\ufeff早上好。".encode())
    assert run("speak", "--file", "text.txt", "--voice", "小明", "-o", "out.wav")[0] == 0
    assert manifest.read("out.json").request.text == "早上好。"


def test_lexicon_is_used_and_recorded(run, work):
    (work / "one.jsonl").write_text('{"grapheme": "重庆", "phoneme": "chóng qìng"}\n', encoding="utf-8")
    assert run("speak", "重庆。", "--voice", "小明", "--lexicon", "one.jsonl", "-o", "out.wav")[0] == 0
    assert manifest.read("out.json").inputs.lexicons[0].name == "one.jsonl"


def test_streaming_needs_no_file(library, work, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import conftest; from resay.cli import main, sources\n"
        "sources.engine = lambda weights: conftest.FakeEngine()\n"
        "from resay import voices; from pathlib import Path; voices.SHIPPED = Path(sys.argv.pop(1))\n"
        "sys.exit(main())"
    )
    start = [sys.executable, "-c", code, str(Path(__file__).parent), str(voices.SHIPPED)]
    for options in (["--stream"], []):
        command = [*start, "speak", "-", "--voice", "Ada", "-o", "-", *options]
        done = subprocess.run(command, input=b"Good morning. How are you?", capture_output=True, check=True)
        (work / "piped.wav").write_bytes(done.stdout)
        assert soundfile.info(work / "piped.wav").samplerate == 24_000
        assert len(audio.read(work / "piped.wav").samples) > 10_000
        assert b"seed 42" in done.stderr


# Cloning


def test_cloned_clip_speaks_with_consent(run, work, clip):
    code, _, err = run("speak", "Hi.", "--voice", clip, "--consent", "own", "-o", "out.wav")
    assert code == 0, err
    made = manifest.read("out.json")
    assert made.inputs.clip == identity.clip(clip)
    assert made.inputs.clip.digest == manifest.digest_of(clip.read_bytes())
    assert made.consent.kind is consent.Kind.OWN


def test_cloning_without_consent_exits_with_3(run, work, clip):
    assert "--consent own" in refused(run("speak", "Hi.", "--voice", clip, "-o", "out.wav"), code=3)
    assert list(work.iterdir()) == []


def test_consent_that_ended_exits_with_3(run, work, clip, tmp_path):
    record = {"speaker": "Ada", "uses": ["speak"], "until": "2020-01-01", "statement": "yes"}
    (tmp_path / "ada.json").write_text(json.dumps(record), encoding="utf-8")
    code, _, err = run("speak", "Hi.", "--voice", clip, "--consent", tmp_path / "ada.json", "-o", "out.wav")
    assert code == 3
    assert "ended on 2020-01-01" in err
    assert list(work.iterdir()) == []


def test_voice_file_speaks_without_a_library(run, work, tmp_path):
    assert run("speak", "Hi.", "--voice", tmp_path / "shipped" / "Ada.voice", "-o", "out.wav")[0] == 0


def test_style_may_come_from_elsewhere(run, work, clip):
    assert run("speak", "Hi.", "--voice", "Ada", "--style", clip, "-o", "out.wav")[0] == 0
    assert manifest.read("out.json").inputs.style.name == "speaker.wav"
    assert run("speak", "Hi.", "--voice", "Ada", "--style", "小明", "-o", "out.wav")[0] == 0
    assert manifest.read("out.json").inputs.style.name == "小明"


# What cannot be done is said in one line, and nothing is written


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["", "--voice", "Ada"], "say what to speak"),
        (["  \n", "--voice", "Ada"], "say what to speak"),
        (["…!?。", "--voice", "Ada"], "nothing to speak"),
        (["नमस्ते", "--voice", "Ada"], "Devanagari"),
        (["--voice", "Ada"], "say what to speak"),
        (["Hi.", "--file", "x.txt", "--voice", "Ada"], "not both"),
        (["--file", "none.txt", "--voice", "Ada"], "cannot be read"),
        (["caf\udce9", "--voice", "Ada"], "TEXT: the text is not UTF-8 (byte 3)"),
        (["Hi."], "--voice"),
        (["Hi.", "--voice", "Adda"], "did you mean Ada"),
        (["Hi.", "--voice", "x" * 5000], "no voice is called"),
        (["Hi.", "--voice", "none.wav", "--consent", "own"], "no such clip"),
        (["Hi.", "--voice", "folder/none", "--consent", "own"], "no such clip"),
        (["Hi.", "--voice", ".", "--consent", "own"], "no such clip"),
        (["Hi.", "--voice", "Ada", "--seed", "-1"], "--seed must be"),
        (["Hi.", "--voice", "Ada", "--seed", str(HIGHEST + 1)], "--seed must be"),
        (["Hi.", "--voice", "Ada", "--seed", "4.2"], "--seed must be"),
        (["Hi.", "--voice", "Ada", "--seed", "٤٢"], "--seed must be"),
        (["Hi.", "--voice", "Ada", "--seed", ""], "--seed must be"),
        (["Hi.", "--voice", "Ada", "--sampling", "beam"], "'beam' is not one of"),
        (["Hi.", "--voice", "Ada", "--sampling", "greedy", "--temperature", "1"], "has no meaning with"),
        (["Hi.", "--voice", "Ada", "--top-k", "5"], "has no meaning with"),
        (["Hi.", "--voice", "Ada", "--sampling", "topk", "--top-k", "0"], "top-k"),
        (["Hi.", "--voice", "Ada", "--temperature", "nan"], "temperature"),
        (["Hi.", "--voice", "Ada", "--speed", "0.1"], "speed"),
        (["Hi.", "--voice", "Ada", "--speed", "nan"], "speed"),
        (["Hi.", "--voice", "Ada", "--sample-rate", "44100"], "44100"),
        (["Hi.", "--voice", "Ada", "--prompt-text", "hello"], "has no meaning with --voice Ada"),
        (["Hi.", "--voice", "Ada", "--style-strength", "-1"], "style strength"),
        (["Hi.", "--voice", "Ada", "--lexicon", "none.jsonl"], "none.jsonl"),
        (["Hi.", "--voice", "Ada", "--style", "nobody"], "no voice is called"),
        (["Hi.", "--voice", "Ada", "--format", "aiff"], "'aiff' is not one of"),
        (["Hi.", "--voice", "Ada", "-o", "out.doc"], "no audio format"),
        (["Hi.", "--voice", "Ada", "-o", "-", "--json"], "standard output"),
        (["Hi.", "--voice", "Ada", "-o", "-", "--subtitles", "srt"], "needs a file"),
        (["Hi.", "--voice", "Ada", "-o", "-", "--stream", "--format", "mp3"], "cannot be streamed"),
        (["Hi.", "--voice", "Ada", "-o", "/dev/null/out.wav"], "cannot be written"),
        (["Hi.", "--voice", "Ada", "--format", "wav", "-o", "/dev/null"], "not a plain file"),
        (["Hi.", "--voice", "Ada", "--loud"], "No such option"),
    ],
)
def test_bad_request_is_one_line_and_writes_nothing(run, work, arguments, problem):
    assert problem in refused(
        run("speak", "-o", "out.wav", *arguments) if "-o" not in arguments else run("speak", *arguments)
    )
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "language", "problem"),
    [("नमस्ते", "en", "the transcript of"), ("…", "en", "nothing"), ("नमस्ते", "zh", "的文本不可用")],
)
def test_unreadable_transcript_is_refused(run, work, clip, monkeypatch, words, language, problem):
    monkeypatch.setenv("RESAY_LANGUAGE", language)
    told = refused(run("speak", "Hi.", "--voice", clip, "--consent", "own", "--prompt-text", words, "-o", "out.wav"))
    assert problem in told
    assert str(clip) in told
    assert list(work.iterdir()) == []


def test_added_voice_keeps_its_prompt(run, work, clip):
    added = ("voice", "add", "Eve", clip, "--consent", "own")
    assert run(*added)[0] == 0
    plain = json.loads(run("voice", "show", "Eve", "--json")[1])
    assert run(*added, "--text", "早上好，大家好。", "--replace")[0] == 0
    told = json.loads(run("voice", "show", "Eve", "--json")[1])
    assert (plain["language"], told["language"]) == ("en", "zh")
    assert "prompt_seconds" not in plain
    assert 0 < told["prompt_seconds"] < 10
    assert told["digest"] != plain["digest"]


def test_text_that_is_not_utf8_is_refused(run, work):
    (work / "text.txt").write_bytes(b"caf\xe9")
    assert "not UTF-8 (byte 3)" in refused(run("speak", "--file", "text.txt", "--voice", "Ada"))
    assert len(list(work.iterdir())) == 1


MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 64


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"junk" * 1000, "not a sound file"),
        (MP4, "not a sound file"),
        (b"RIFF\xff\xff\xff\xffWAVE", ""),
    ],
    ids=["empty", "corrupt", "video", "cut"],
)
def test_bad_clip_is_refused(run, work, tmp_path, content, problem):
    clip = tmp_path / "clip.wav"
    clip.write_bytes(content)
    for command in (
        ["speak", "Hi.", "--voice", clip, "--consent", "own", "-o", "out.wav"],
        ["voice", "add", "Eve", clip, "--consent", "own"],
        ["voice", "check", clip],
    ):
        line = refused(run(*command))
        assert problem in line
        assert str(clip) in line
    assert list(work.iterdir()) == []
    assert len(list((tmp_path / "own").iterdir())) == 1


@pytest.mark.parametrize("sound", [np.zeros(96_000, np.float32), np.ones(7_200, np.float32)], ids=["silent", "short"])
def test_clip_without_a_voice_is_refused(run, work, tmp_path, sound):
    clip = tmp_path / "clip.wav"
    audio.write(clip, Audio(sound))
    assert str(clip) in refused(run("speak", "Hi.", "--voice", clip, "--consent", "own", "-o", "out.wav"))
    assert str(clip) in refused(run("voice", "add", "Eve", clip, "--consent", "own"))
    code, _, err = run("voice", "check", clip)
    assert code == 2
    assert "not usable" in err
    assert list(work.iterdir()) == []


def test_strange_file_beside_the_output_is_not_overwritten(run, work):
    (work / "out.json").write_text('{"mine": 1}', encoding="utf-8")
    assert "would be overwritten" in refused(run("speak", "Hi.", "--voice", "Ada", "-o", "out.wav"))
    assert (work / "out.json").read_text(encoding="utf-8") == '{"mine": 1}'
    assert not (work / "out.wav").exists()


def test_failure_in_the_middle_leaves_nothing(run, work, fake_engine, monkeypatch):
    def stream(*arguments, **options):
        yield next(iter(type(fake_engine).stream(fake_engine, *arguments, **options)))
        raise BadFile("the disk is full")

    monkeypatch.setattr(fake_engine, "stream", stream)
    assert "the disk is full" in refused(run("speak", "Hi. You.", "--voice", "Ada", "-o", "out.wav"))
    assert list(work.iterdir()) == []


def test_fault_of_ours_is_one_line_and_exits_with_1(run, work, fake_engine, monkeypatch):
    monkeypatch.delenv("RESAY_DEBUG", raising=False)
    monkeypatch.setattr(fake_engine, "stream", lambda *_, **__: 1 / 0)
    assert "internal error: ZeroDivisionError" in refused(
        run("speak", "Hi.", "--voice", "Ada", "-o", "out.wav"), code=1
    )
    assert list(work.iterdir()) == []


def test_debugging_shows_where(run, fake_engine, monkeypatch):
    monkeypatch.setenv("RESAY_DEBUG", "1")
    monkeypatch.setattr(fake_engine, "stream", lambda *_, **__: 1 / 0)
    assert "Traceback" in run("speak", "Hi.", "--voice", "Ada", "-o", "out.wav")[2]


# Voices


def test_voices_are_listed_as_json(run):
    code, out, _ = run("voices", "--json")
    listed = json.loads(out)["voices"]
    assert code == 0
    assert [(entry["name"], entry["language"], entry["gender"], entry["shipped"]) for entry in listed] == [
        ("Ada", "en", "female", True),
        ("小明", "zh", "female", False),
    ]


def test_damaged_voice_does_not_hide_the_others(run, library):
    (library.folders[-1] / "bad.voice").write_bytes(b"junk")
    code, out, err = run("voices")
    assert code == 0
    assert "Ada" in out
    assert "bad.voice" in err


def test_voice_is_added_shown_and_removed(run, clip, tmp_path):
    added = ["voice", "add", "老师", clip, "--consent", "own", "--gender", "female", "--seed", "88", "--tag", "calm"]
    assert run(*added)[0] == 0
    shown = json.loads(run("voice", "show", "老师", "--json")[1])
    assert (shown["language"], shown["gender"], shown["seed"], shown["tags"]) == ("zh", "female", 88, ["calm"])
    assert shown["source"] == manifest.digest_of(clip.read_bytes())
    assert shown["quality"]["seconds"] == 4.0
    assert "already" in refused(run(*added))
    assert run(*added, "--replace")[0] == 0
    assert run("voice", "remove", "老师")[0] == 0
    refused(run("voice", "show", "老师"))


def test_voice_is_not_added_without_consent(run, clip, library):
    refused(run("voice", "add", "Eve", clip), code=3)
    refused(run("voice", "add", "../Eve", clip, "--consent", "own"))
    assert library.names() == ["Ada", "小明"]


def test_voices_may_lie_elsewhere(run, clip, tmp_path):
    assert run("voice", "add", "Eve", clip, "--consent", "own", "--voices", tmp_path / "third")[0] == 0
    assert (tmp_path / "third" / "Eve.voice").is_file()
    assert "Eve" not in run("voices")[1]
    assert "Eve" in run("voices", "--voices", tmp_path / "third")[1]


def test_check_reports_a_good_clip(run, clip):
    code, out, _ = run("voice", "check", clip, "--json")
    assert code == 0
    assert json.loads(out)["accepted"] is True
    assert json.loads(out)["seconds"] == 4.0


# Looking in


def test_phonemes_are_json_with_spans(run):
    text = "给我500元，please."
    code, out, _ = run("phonemes", text, "--json")
    analysis = json.loads(out)
    assert code == 0
    assert set(analysis) == {"normalised", "words", "phonemes"}
    assert all(text[slice(*word["span"])] == word["text"] for word in analysis["words"])
    assert set(analysis["words"][0]) == {"text", "language", "reading", "source", "span"}
    assert analysis["phonemes"][0] == "^"


def test_phonemes_of_a_file_keep_line_numbers(run, work):
    (work / "lines.txt").write_text("早上好\n\nनमस्ते\nHello\n", encoding="utf-8")
    code, out, err = run("phonemes", "--file", "lines.txt", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [bool(line["words"]) for line in lines] == [True, False, False, True]
    assert "line 3" in err
    assert code == 2


def test_doctor_finds_everything_well(run):
    code, out, _ = run("doctor", "--json")
    assert code == 0, out
    assert json.loads(out)["well"] is True


def test_version_and_help_are_there(run):
    assert run("--version")[1].startswith("resay ")
    for command in ([], ["speak"], ["voices"], ["voice"], ["voice", "add"], ["phonemes"], ["doctor"]):
        assert run(*command, "--help")[0] == 0


def test_unknown_command_is_one_line(run):
    assert "No such command" in refused(run("sing"))
    refused(run())
    refused(run("voice"))


def test_missing_extra_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("resay.train")]:
        monkeypatch.delitem(sys.modules, name)
    assert "pip install 'resay[train]'" in refused(run("train", "vocoder"))


def test_broken_weights_are_one_line(library, work, capfd, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.json").write_text("{}", encoding="utf-8")
    for models in (tmp_path / "models", tmp_path / "none"):
        code = main(["speak", "Hi.", "--voice", "Ada", "--models", str(models), "-o", "out.wav"])
        assert refused((code, *capfd.readouterr()))
    assert list(work.iterdir()) == []


def test_terminal_without_chinese_shows_what_it_can(library, work):
    command = [sys.executable, "-m", "resay", "phonemes", "你好"]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True)
    assert b"ni3 hao3" in done.stdout.replace(b"ni2", b"ni3")
    assert b"\\u4f60" in done.stdout


# Messages


def test_messages_come_in_chinese_too(monkeypatch):
    monkeypatch.setenv("RESAY_LANGUAGE", "zh_CN.UTF-8")
    assert messages.message("no_such_clip", clip="a.wav") == "a.wav：没有这个音频文件"


@pytest.mark.parametrize("name", messages.MESSAGES)
def test_both_languages_have_the_same_places(name):
    english, chinese = messages.MESSAGES[name]
    places = [
        sorted(part.split("}")[0].split(":")[0].split("!")[0] for part in text.split("{")[1:])
        for text in (english, chinese)
    ]
    assert places[0] == places[1]
