"""One request is one sound, however it is made; damage is found. Full counts are slow, small ones run always."""

from __future__ import annotations

import importlib
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resay import manifest, synthesis
from resay.synthesis import stream_of_randomness

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bench(monkeypatch):
    """Loads a script of bench/."""
    monkeypatch.syspath_prepend(ROOT / "bench")
    return importlib.import_module


def numbers(*key) -> np.ndarray:
    return stream_of_randomness(*key).random(8)


def test_every_seed_piece_and_stage_has_a_stream_of_its_own():
    streams = [
        tuple(numbers(seed, piece, stage))
        for seed in (0, 1, 42, 2**63 - 1)
        for piece in (0, 1, 255, 256, 100_000)
        for stage in synthesis.STAGES
    ]
    assert len(set(streams)) == len(streams)


def test_stream_does_not_depend_on_what_was_drawn_before():
    first = numbers(42, 0, "prosody")
    numbers(42, 1, "prosody")
    np.random.default_rng(0).random(100)
    np.testing.assert_array_equal(numbers(42, 0, "prosody"), first)


def test_stream_is_that_of_every_machine():
    # Philox and the conversion to float are specified to the bit; other numbers here would be another generator.
    assert numbers(42, 3, "acoustic")[0] == 0.0024520268415414437


@pytest.mark.parametrize("repeats", [30, pytest.param(1000, marks=pytest.mark.slow)], ids=["small", "full"])
def test_one_sound_however_it_is_made(bench, work, repeats):
    module = bench("repeats")
    rows = module.measure(repeats)
    assert {row.way for row in rows} == set(module.WAYS)
    assert all(row.digests == row.keys for row in rows)


@pytest.mark.parametrize("runs", [2, pytest.param(5, marks=pytest.mark.slow)], ids=["small", "full"])
def test_protocol_is_met(bench, work, runs):
    module = bench("protocol")
    groups = module.measure("早上好。", "lan", runs)
    assert module.passes(groups)
    assert module.table(groups).count("\n") == 5


@pytest.mark.parametrize("damages", [100, pytest.param(1000, marks=pytest.mark.slow)], ids=["small", "full"])
def test_damage_is_found_or_harmless(bench, work, damages):
    rows = bench("corruptions").measure(damages)
    assert sum(row.damages for row in rows) == damages
    assert all(row.refused + row.named + row.harmless == row.damages for row in rows)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_manifest_made_with_one_thread_replays(work, threads):
    resay = [sys.executable, "-m", "resay"]
    subprocess.run([*resay, "speak", "早上好。", "--voice", "lan", "--threads", "1", "-o", "a.wav"], check=True)
    subprocess.run([*resay, "replay", "a.json", "--threads", threads, "-o", "b.wav"], check=True)


def test_archive_with_its_weights_replays_without_any(work, tmp_path):
    resay = [sys.executable, "-m", "resay"]
    subprocess.run([*resay, "speak", "早上好。", "--voice", "lan", "-o", "a.wav"], check=True)
    subprocess.run([*resay, "archive", "a.json", "-o", "X.zip"], check=True)
    code = (
        "import sys; from pathlib import Path; from resay import synthesis, voices; from resay.cli import main; "
        "synthesis.SHIPPED = voices.SHIPPED = Path('nowhere'); sys.exit(main())"
    )
    subprocess.run([sys.executable, "-c", code, "replay", "X.zip", "-o", "again"], check=True)
    assert (work / "again" / "0001.wav").read_bytes() == (work / "a.wav").read_bytes()


def test_new_variant_is_there_within_two_seconds(work):
    command = [sys.executable, "-m", "resay", "audition", "早上好。", "--voice", "lan", "--seeds", "100", "-o", "au"]
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time, and twice the two seconds: busy and slower machines are not our doing. The clock's time is in
        # docs/reproducibility.md.
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 4.0


@pytest.mark.parametrize(
    ("options", "seed", "folder"),
    [
        ("--data=example_zh --exp_name=_prod_v1 --use_cache --seed=42 --sample_rate=24000", 42, "pretrain_prod_v1"),
        ("--data=example_zh --exp_name=_test --use_cache --phoneme", 42, "pretrain_test"),
    ],
)
def test_commands_of_the_documents_run_word_for_word(work, options, seed, folder):
    script = [sys.executable, str(ROOT / "glmtts_inference.py"), *options.split()]
    subprocess.run(script, check=True)
    table = (ROOT / "examples" / "example_zh.jsonl").read_text(encoding="utf-8").splitlines()
    place = work / "outputs" / folder / "example_zh"
    cloned = manifest.read(place / "cloned_greeting.json")
    assert (cloned.inputs.clip.name, cloned.consent.kind.value) == ("clone_me.wav", "own")
    assert len(list(place.glob("*.wav"))) == len(table)
    assert {manifest.read(path).request.seed for path in place.glob("*.json")} == {seed}


def test_seed_of_the_documents_comes_from_the_shell(work, monkeypatch):
    monkeypatch.setenv("SEED", "7")
    script = [sys.executable, str(ROOT / "glmtts_inference.py"), "--exp_name=_test"]
    subprocess.run(script, check=True)
    assert manifest.read("outputs/pretrain_test/example_zh/bank_manager.json").request.seed == 7
    refused = subprocess.run([*script, "--data=../x"], capture_output=True)
    assert refused.returncode == 2
