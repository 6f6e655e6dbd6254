"""Every route of the OpenAPI document, called with what its schema allows and with what it does not."""

from __future__ import annotations

import importlib
import json
import random
import string
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from resay.server import app
from resay.server.limits import Limits
from resay.server.service import Service

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1e308,
    "",
    " ",
    "\0",
    "../..",
    "\u202e",
    "💥",
    [],
    {},
    [[]],
    {"a": {}},
    "9" * 999,
]
WORDS = [
    "Ada",
    "小明",
    "Hello there.",
    "你好",
    "wav",
    "mp3",
    "speak",
    "own",
    "random",
    "en",
    "2030-01-01",
    "cons_" + "0" * 24,
]


class Fuzz:
    """Requests from a schema; about a third of their values are wrong on purpose."""

    def __init__(self, document: dict[str, Any], clip: bytes, seed: int) -> None:
        self.document, self.clip, self.draw = document, clip, random.Random(seed)
        self.routes = [
            (method, path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        schema = self.resolved(schema)
        if self.draw.random() < 0.15:
            return self.draw.choice(ODD)
        if "anyOf" in schema:
            return self.value(self.draw.choice(schema["anyOf"]), depth)
        if "const" in schema or "enum" in schema:
            return self.draw.choice(schema.get("enum") or [schema["const"]])
        kind = schema.get("type")
        if kind == "object":
            fields = {
                name: self.value(part, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in schema.get("required", []) and self.draw.random() < 0.95 or self.draw.random() < 0.4
            }
            return fields or {self.text(): self.text()}
        if kind == "array":
            return [self.value(schema.get("items", {}), depth + 1) for _ in range(self.draw.randrange(3))]
        if kind in ("integer", "number"):
            return self.draw.choice([1, 2, 42, 0.5, 24_000, self.draw.randrange(-10, 10**6)])
        return self.draw.choice([self.text(), self.draw.choice(WORDS)])

    def text(self) -> str:
        letters = string.printable + "，。你好éß\u200b"
        return "".join(self.draw.choice(letters) for _ in range(self.draw.randrange(30)))

    def request(self) -> tuple[str, str, dict[str, Any]]:
        method, path, operation = self.draw.choice(self.routes)
        for parameter in operation.get("parameters", []):
            value = self.draw.choice([*WORDS, "0" * 32, "%2e%2e", self.text().replace("/", "") or "x", "x"])
            path = path.replace(f"{{{parameter['name']}}}", "".join(f"%{byte:02x}" for byte in str(value).encode()))
        return method.upper(), path, self.body(operation)

    def body(self, operation: dict[str, Any]) -> dict[str, Any]:
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            made = self.value(content["application/json"]["schema"])
            return {"content": json.dumps(made), "headers": {"Content-Type": "application/json"}}
        if "multipart/form-data" in content:
            fields = self.value(content["multipart/form-data"]["schema"])
            fields = fields if isinstance(fields, dict) else {}
            files = {name: ("x", self.recording()) for name in ("audio_sample", "recording") if name in fields}
            return {"data": {name: str(value) for name, value in fields.items() if name not in files}, "files": files}
        return {}

    def recording(self) -> bytes:
        return self.draw.choice([self.clip, self.clip[:100], self.draw.randbytes(200), b""])


@pytest.mark.slow
def test_2000_requests_from_the_document_never_fail_on_our_side(library, fake_engine, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("RESAY_SEEDS", str(tmp_path / "seeds.jsonl"))
    limits = Limits(characters=300, clip_seconds=20)
    service = Service(fake_engine, tmp_path / "data", library.folders[-1], limits, clock=lambda: date(2026, 3, 8))
    with TestClient(app.create_app(service), base_url="http://127.0.0.1", raise_server_exceptions=False) as web:
        document = web.get("/openapi.json").json()
        fuzz = Fuzz(document, clip.read_bytes(), seed=11)
        statuses: dict[int, int] = {}
        for _ in range(2000):
            method, path, rest = fuzz.request()
            answer = web.request(method, path, **rest)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (method, path, rest, answer.text)
            if answer.status_code >= 400:
                assert set(answer.json()) == {"error"}, (method, path, answer.text)
    assert statuses[200] > 300, statuses
    strange = [path for path in tmp_path.rglob("*") if path.is_file() and path.relative_to(tmp_path).parts[0] not in (
        "data", "own", "shipped", "clips", "seeds.jsonl"
    )]  # fmt: skip
    assert strange == []


@pytest.mark.parametrize("count", [120, pytest.param(2000, marks=pytest.mark.slow)])
def test_schemathesis_finds_no_fault(library, fake_engine, served, clip, tmp_path, monkeypatch, count):
    """Another reader of the same document, with requests of its own."""
    schemathesis = pytest.importorskip("schemathesis")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    fuzz_server = importlib.import_module("fuzz_server")
    monkeypatch.setenv("RESAY_SEEDS", str(tmp_path / "seeds.jsonl"))
    limits = Limits(characters=300, clip_seconds=20)
    service = Service(fake_engine, tmp_path / "data", library.folders[-1], limits, clock=lambda: date(2026, 3, 8))
    made = app.create_app(service)
    address = f"http://127.0.0.1:{served(made)}"
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    report = fuzz_server.requests(
        schema,
        count,
        0,
        lambda case: case.call(base_url=address, timeout=60),
        lambda: fuzz_server.furniture(address, clip.read_bytes(), "Ada"),
    )
    assert report.faults == []
    statuses = sum(report.statuses.values(), Counter())
    assert statuses.total() == count
    assert len(report.statuses) == sum(len(operations) for operations in made.openapi()["paths"].values())
    assert statuses[200] > count // 10


def test_a_fault_is_seen(fuzz_report):
    assert fuzz_report(500, "{}") == ["r: 500"]
    assert fuzz_report(422, '{"detail": []}') == ["r: 422 without an error that says why"]
    assert fuzz_report(422, '{"error": {"message": "why"}}') == []


@pytest.fixture
def fuzz_report(monkeypatch):
    pytest.importorskip("schemathesis")
    httpx = pytest.importorskip("httpx")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    fuzz_server = importlib.import_module("fuzz_server")

    def faults(status: int, content: str) -> list[str]:
        report = fuzz_server.Report()
        report.note("r", httpx.Response(status, text=content))
        return report.faults

    return faults
