"""The real thing, in minutes: SuperLink, SuperNodes, TLS, keys, kills; and Flower's simulation engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flwr")
pytest.importorskip("torch")

from resay import audio
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import VoiceLibrary

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("Good morning to all of you.", "We went home in the rain.", "今天天气很好，我们去公园。")


@pytest.mark.slow
def test_a_training_survives_killed_nodes_and_a_killed_server(tmp_path: Path) -> None:
    engine = Engine(threads=1)
    for name in ("ada", "leo", "lan"):
        for place, text in enumerate(TEXTS):
            path = tmp_path / "recordings" / name / f"{place}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, engine.say(Request(text, seed=place), VoiceLibrary().get(name)).audio)
            path.with_suffix(".txt").write_text(text, encoding="utf-8")
    script = ROOT / "bench" / "federated_deployment.py"
    options = [str(tmp_path / "recordings"), "--out", str(tmp_path / "out"), "--quick"]
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_flowers_engine_plays_what_one_process_plays(tmp_path: Path) -> None:
    import numpy as np

    from resay.federated import simulation
    from resay.federated.population import Population
    from resay.federated.rounds import Settings, State

    random, folder = np.random.default_rng(0), tmp_path / "population"
    folder.mkdir()
    np.save(folder / "hidden.npy", random.standard_normal((16 * 20, 256)).astype(np.float16))
    np.save(folder / "tokens.npy", random.integers(0, 20, (16 * 20, 3)))
    np.save(folder / "ends.npy", np.arange(20, 16 * 20 + 1, 20))
    (folder / "speakers.json").write_text('{"clients": [1, 1, 1, 1, 1, 1, 1, 1], "held_out": [1, 1, 1, 1, 1, 1, 1, 1]}')
    settings = Settings(8, least=5, clip=1.0, noise=0.0, limit=None, training={"steps": 2})
    plan = simulation.Plan(folder, SHIPPED, 2, settings)
    assert len(Population(folder)) == 8
    found = {}
    for engine in ("flower", "local"):
        simulation.simulate(plan, tmp_path / engine, engine)
        found[engine] = State.load(tmp_path / engine).adapter.up
    assert np.allclose(found["flower"], found["local"], atol=1e-6)
