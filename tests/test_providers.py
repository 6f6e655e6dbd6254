"""What the networks run on: the list, the fallback, and what TensorRT is told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from resay import onnx_graph
from resay.cli import sources
from resay.errors import BadOption, BrokenModel
from resay.inference import onnxruntime
from resay.onnx_graph import PROVIDERS, OnnxGraph
from resay.synthesis import SHIPPED

GRAPH = SHIPPED / "vocoder.onnx"
EVERYTHING = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


class Session:
    """Takes what onnxruntime would, and has loaded only what `loaded` names."""

    loaded: tuple[str, ...] = tuple(EVERYTHING)
    asked: dict[str, dict[str, str]]

    def __init__(self, content, options, providers, provider_options) -> None:
        type(self).asked = dict(zip(providers, provider_options, strict=True))
        self._providers = [name for name in providers if name in self.loaded]

    def get_providers(self):
        return self._providers

    def get_inputs(self):
        return []

    get_outputs = get_inputs

    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map={})


@pytest.fixture
def graphics_card(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: EVERYTHING)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)


@pytest.fixture
def without_card(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


def test_every_provider_ends_with_the_processor():
    assert {names[-1] for names in PROVIDERS.values()} == {"CPUExecutionProvider"}
    assert onnx_graph.missing("cpu") == ""


def test_what_is_not_there_is_said_and_the_processor_is_used(without_card, capsys, monkeypatch):
    monkeypatch.setenv("RESAY_LANGUAGE", "en")
    assert sources.usable("tensorrt") == "cpu"
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "--provider tensorrt" in told
    assert "no TensorrtExecutionProvider; install onnxruntime-gpu" in told
    assert "the processor is used instead" in told
    assert sources.usable("cpu") == "cpu"
    assert capsys.readouterr().err == ""


def test_the_library_does_not_fall_back_by_itself(without_card):
    with pytest.raises(BadOption, match="--provider cpu"):
        OnnxGraph(GRAPH, provider="cuda")
    with pytest.raises(BadOption, match="choose one of cpu, cuda, tensorrt"):
        OnnxGraph(GRAPH, provider="tpu")


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_onnxruntime_gets_the_whole_chain(graphics_card, provider, tmp_path):
    graph = OnnxGraph(GRAPH, provider=provider, engine_cache=tmp_path)
    assert list(Session.asked) == PROVIDERS[provider]
    assert graph.runs_on == PROVIDERS[provider][0]
    kept = Session.asked.pop("TensorrtExecutionProvider", None)
    assert all(options == {} for options in Session.asked.values())
    if kept is not None:
        assert (kept["trt_engine_cache_enable"], kept["trt_engine_cache_path"]) == ("1", str(tmp_path))


def test_engines_are_kept_in_the_users_cache_by_default(graphics_card):
    OnnxGraph(GRAPH, provider="tensorrt")
    place = Path(Session.asked["TensorrtExecutionProvider"]["trt_engine_cache_path"])
    assert place == onnx_graph.default_engine_cache()
    assert "resay" in place.parts


def test_libraries_that_cannot_be_loaded_are_told(graphics_card, capsys, monkeypatch):
    monkeypatch.setattr(Session, "loaded", ("CPUExecutionProvider",))
    monkeypatch.setenv("RESAY_LANGUAGE", "en")

    class Engine:
        def __init__(self, models, threads, provider, engine_cache, *_, **__) -> None:
            self.runs_on = frozenset({OnnxGraph(GRAPH, threads, provider, engine_cache).runs_on})

    monkeypatch.setattr("resay.synthesis.Engine", Engine)
    sources.engine(sources.Weights(provider="cuda"))
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "could not be loaded; CPUExecutionProvider is used instead" in told


def test_the_shipped_networks_run_on_the_processor():
    assert OnnxGraph(GRAPH).runs_on == "CPUExecutionProvider"


def test_an_engine_cache_is_for_tensorrt_only(run, work):
    code, _, told = run("speak", "Hello.", "--voice", "Ada", "--engine-cache", work)
    assert (code, "no meaning with --provider cpu" in told) == (2, True)


def test_providers_are_listed(run, without_card):
    code, listed, _ = run("providers")
    assert code == 0
    assert [line.split()[0] for line in listed.splitlines()] == list(PROVIDERS)
    assert "can be used" in listed.splitlines()[0]
    assert "install onnxruntime-gpu" in listed.splitlines()[1]
    _, found, _ = run("providers", "--json")
    assert [entry["usable"] for entry in json.loads(found)["providers"]] == [True, False, False]


def test_doctor_examines_the_provider_that_is_asked_for(run, without_card):
    code, found, _ = run("doctor", "--provider", "cuda", "--json")
    providers = next(one for one in json.loads(found)["findings"] if one["name"] == "providers")
    assert (code, providers["well"]) == (2, False)
    assert "CUDAExecutionProvider" in providers["detail"]


def test_a_graph_wanted_later_is_prepared_once_by_whoever_needs_it_first(monkeypatch):
    made = []
    session = onnx_graph.onnxruntime.InferenceSession

    def counted(*arguments, **options):
        made.append(1)
        return session(*arguments, **options)

    monkeypatch.setattr(onnx_graph.onnxruntime, "InferenceSession", counted)
    at_once, later = OnnxGraph(GRAPH), OnnxGraph(GRAPH, later=True)
    assert len(made) == 1
    assert later.digest == at_once.digest
    later.shrink()
    assert len(made) == 1
    with ThreadPoolExecutor(4) as pool:
        shapes = list(pool.map(lambda _: later.shapes, range(4)))
    assert shapes == [at_once.shapes] * 4
    assert len(made) == 2


def test_damage_to_a_graph_wanted_later_is_told_in_one_line(tmp_path):
    path = tmp_path / "vocoder.onnx"
    path.write_bytes(b"no graph")
    graph = OnnxGraph(path, later=True)
    for _ in range(2):
        with pytest.raises(BrokenModel, match=r"vocoder\.onnx: damaged weights"):
            graph.run()
