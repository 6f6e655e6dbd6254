"""The shipped weights and voices, through the real command."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import resay
from resay import audio, manifest, weights
from resay.cli import main
from resay.synthesis import SHIPPED, Engine
from resay.voices import VoiceLibrary

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run(work, capfd):
    """Runs a command with no voices but the shipped ones; gives exit code, standard output and standard error."""

    def command(*arguments: object):
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_there_is_a_woman_and_a_man_for_each_language():
    kinds = {(voice.language, voice.gender) for voice in VoiceLibrary([resay.voices.SHIPPED])}
    assert kinds >= {("zh", "female"), ("zh", "male"), ("en", "female"), ("en", "male")}


def test_same_request_gives_the_same_bytes(run, work):
    voice = VoiceLibrary().names()[0]
    for name in ("one.wav", "two.wav"):
        code, _, err = run("speak", "你好，say it again, exactly.", "--voice", voice, "-o", name)
        assert (code, err) == (0, "")
    assert (work / "one.wav").read_bytes() == (work / "two.wav").read_bytes()


def test_same_bytes_on_however_many_cores():
    """Also of a clip, whose voice is heard first: BLAS and the networks divide their work by the number of cores."""
    program = (
        "import resay\nfrom dataclasses import replace\n"
        "engine, voice = resay.Engine(), next(iter(resay.VoiceLibrary()))\n"
        f"profile, _ = engine.listen(resay.read({str(ROOT / 'examples' / 'clone_me.wav')!r}))\n"
        "request = resay.Request('你好，say it again, exactly as you said it before, and then once more.')\n"
        "for one in (voice, replace(voice, profile=profile)): print(engine.say(request, one).audio.digest())\n"
    )
    told = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
        for environment in ({**os.environ, "OMP_NUM_THREADS": str(threads)} for threads in (1, 2, 5))
    ]
    assert len(told[0].stdout.split()) == 2
    assert len({one.stdout for one in told}) == 1


def test_another_seed_moves_pitch_and_timing_but_no_phoneme(run, work):
    for seed in (42, 1234):
        assert (
            run("speak", "今天天气很好。", "--voice", VoiceLibrary().names()[0], "--seed", seed, "-o", f"{seed}.wav")[0]
            == 0
        )
    one, other = manifest.read("42.json").pieces[0], manifest.read("1234.json").pieces[0]
    assert one.phonemes == other.phonemes
    assert not np.array_equal(one.plan.durations, other.plan.durations)
    assert not np.array_equal(one.plan.pitch, other.plan.pitch)


def test_sound_is_heard_and_finite():
    speech = Engine().say(resay.Request("Good morning. 早上好。"), next(iter(VoiceLibrary())))
    assert 1.0 < speech.audio.seconds < 10.0
    assert np.isfinite(speech.audio.samples).all()
    assert np.abs(speech.audio.samples).max() > 0.05


def test_python_and_command_give_the_same_sound(run, work):
    voice = next(iter(VoiceLibrary()))
    assert run("speak", "Good morning.", "--voice", voice.name, "-o", "out.wav")[0] == 0
    assert audio.read("out.wav").digest() == Engine().say(resay.Request("Good morning."), voice).audio.digest()


def test_speech_can_be_cloned(run, work, tmp_path):
    clip = tmp_path / "clip.wav"
    text = "The first voice speaks for a while, so that another one can be made of it."
    audio.write(clip, Engine().say(resay.Request(text), next(iter(VoiceLibrary()))).audio)
    assert run("speak", "早上好。", "--voice", clip, "--consent", "own", "-o", "out.wav")[0] == 0
    assert run("voice", "add", "Eve", clip, "--consent", "own")[0] == 0
    assert run("speak", "早上好。", "--voice", "Eve", "-o", "eve.wav")[0] == 0
    # A kept voice is the clip's voice: nothing else of the clip decides the sound.
    assert audio.read("out.wav").digest() == audio.read("eve.wav").digest()


def test_a_clip_with_its_words_is_gone_on_from(run, work, tmp_path):
    """R10: the transcript of the reference leads the prosody; another clip's is refused."""
    clip = tmp_path / "clip.wav"
    words = "The first voice speaks for a while, so that another one can be made of it."
    audio.write(clip, Engine().say(resay.Request(words), next(iter(VoiceLibrary()))).audio)
    command = ("speak", "Good morning, everybody.", "--voice", clip, "--consent", "own")
    for name, told in (("plain.wav", ()), ("told.wav", ("--prompt-text", words))):
        code, _, err = run(*command, *told, "-o", name)
        assert (code, err) == (0, "")
    assert run("voice", "add", "Eve", clip, "--consent", "own", "--text", words)[0] == 0
    assert run(*command[:2], "--voice", "Eve", "-o", "eve.wav")[0] == 0
    plain, told, eve = (manifest.read(f"{name}.json") for name in ("plain", "told", "eve"))
    assert told.output.digest == eve.output.digest
    assert told.pieces[0].plan.to_json() != plain.pieces[0].plan.to_json()
    assert "identical" in run("replay", "told.wav", "--voice", clip)[1]
    code, out, err = run(*command, "--prompt-text", "Nobody expected the ships to come back so late in the autumn.")
    assert (code, out) == (2, "")
    assert "not what is heard" in err


@pytest.mark.parametrize("name", [path.name for path in sorted(SHIPPED.glob("*.onnx"))] + ["model.json"])
def test_every_broken_weights_file_is_one_line(run, work, tmp_path, name):
    shutil.copytree(SHIPPED, tmp_path / "models", copy_function=lambda source, target: Path(target).symlink_to(source))
    broken = tmp_path / "models" / name
    content = broken.read_bytes()
    broken.unlink()
    command = ["speak", "Hi.", "--voice", VoiceLibrary().names()[0], "--models", broken.parent, "-o", "out.wav"]
    for damage in (content[: len(content) // 2], b"", None):
        broken.unlink(missing_ok=True)
        if damage is not None:
            broken.write_bytes(damage)
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert list(work.iterdir()) == []


def copied_weights(folder):
    """The shipped weights, to be damaged."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("voices"))
    return folder


@pytest.mark.parametrize("name", ["vocoder.onnx", "prosody_heads.onnx", "model.json"])
def test_weights_that_load_and_are_others_are_named(run, work, tmp_path, name):
    models = copied_weights(tmp_path / "models")
    assert run("verify", models)[0] == 0
    damaged = bytearray((models / name).read_bytes())
    # A bit in the midst of some layer's parameters, or of the last digit of a figure.
    damaged[damaged.index(b"]") - 3 if name == "model.json" else len(damaged) // 2] ^= 1
    (models / name).write_bytes(damaged)
    voice = VoiceLibrary().names()[0]
    code, _, err = run("speak", "Hi.", "--voice", voice, "--models", models, "-o", "out.wav")
    assert code == 2
    assert f"{name}: is not what model.json was written for" in err
    for target in (models, models / "model.json"):
        code, _, err = run("verify", target)
        assert code == 4
        assert f"model: {name} is damaged" in err
    assert list(work.iterdir()) == []


def test_replay_with_other_weights_names_them_and_measures(run, work, tmp_path):
    models = copied_weights(tmp_path / "models")
    # Some of the vocoder's parameters are nothing now.
    content = bytearray((models / "vocoder.onnx").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    (models / "vocoder.onnx").write_bytes(content)
    shape = json.loads((models / "model.json").read_text(encoding="utf-8"))
    shape = weights.with_digests(shape, models)
    (models / "model.json").write_text(json.dumps(shape), encoding="utf-8")
    assert run("speak", "早上好。", "--voice", "lan", "-o", "out.wav")[0] == 0
    code, out, err = run("replay", "out.json", "--models", models)
    assert "model: other weights: vocoder" in err
    told = out if code == 0 else err
    assert (code, "three criteria" in told) == (0, True) or (code, "fails on" in told) == (4, True)
    assert all(figure in told for figure in ("overlap ", "pitch ", "pauses ", "key frames "))


def test_doctor_finds_the_installation_well(run):
    code, out, err = run("doctor")
    assert code == 0, err
    assert "BAD" not in out


def test_demo_speaks(work, tmp_path):
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    demo.main(tmp_path / "outputs")
    assert len(list((tmp_path / "outputs").glob("*.wav"))) == 2 * len(demo.SENTENCES)
    assert len(list((tmp_path / "outputs").glob("*.json"))) == 2 * len(demo.SENTENCES)


def test_code_of_the_readme_runs(work):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
