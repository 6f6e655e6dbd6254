"""Jobs: every item once, whoever dies; nobody sees another's; what is referred to stays."""

from __future__ import annotations

import importlib
import json
import os
import time
import zipfile
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest

from resay import batch, manifest, takes
from resay.batch import Result, Task
from resay.errors import BadFile, BadOption
from resay.seeds import Role, SeedLibrary
from resay.synthesis import SHIPPED

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")

from starlette.testclient import TestClient

from resay.jobs import retention
from resay.jobs import store as jobs_store
from resay.jobs.running import Runner
from resay.jobs.store import Store
from resay.server import app
from resay.server.service import Service

TODAY = date(2026, 3, 8)
LINES = (
    {"output_name": "one", "input_text": "Good morning.", "voice": "Ada"},
    {"uttid": "two", "syn_text": "早上好。", "voice": "小明"},
    {"uttid": "three", "syn_text": "Good morning.", "seed": 88, "speed": 1.5, "format": "flac"},
)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(tmp_path, request):
    """Jobs in SQLite; and in PostgreSQL, where $RESAY_TEST_DATABASE names a database that tests may use."""
    url = (
        f"sqlite:///{tmp_path / 'jobs.sqlite'}" if request.param == "sqlite" else os.environ.get("RESAY_TEST_DATABASE")
    )
    if url is None:
        pytest.skip("no $RESAY_TEST_DATABASE")
    made = Store(url)
    yield made
    for job in made.all():
        made.remove(job)


@pytest.fixture
def service(library, fake_engine, tmp_path) -> Service:
    return Service(fake_engine, tmp_path / "data", library.folders[-1], clock=lambda: TODAY)


@pytest.fixture
def web(service):
    with TestClient(app.create_app(service), base_url="http://127.0.0.1") as client:
        yield client


def tasks(count: int) -> list[Task]:
    return [Task(line, "Hi.", f"{line}.wav") for line in range(1, count + 1)]


def until(question, seconds: float = 20):
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def table(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


# The store


def test_each_item_is_given_out_once_in_order(store, tmp_path):
    other = Store(str(store._engine.url))
    job = store.add("me", "many", tmp_path, {}, tasks(4))
    lines = [one.claim().task.line for one in (store, other, store, other)]
    assert lines == [1, 2, 3, 4]
    assert store.claim() is None
    assert store.get("me", job.id).state == "running"


def test_item_goes_back_when_its_worker_is_dead_or_silent(store, tmp_path, monkeypatch):
    store.add("me", "two", tmp_path, {}, tasks(2))
    gone = Store(str(store._engine.url))
    gone.worker = gone.worker.replace(f":{os.getpid()}:", ":4194303999:")  # no process has such a number
    monkeypatch.setattr(jobs_store, "LEASE", -1.0)
    silent = store.claim()
    monkeypatch.undo()
    assert gone.claim().task.line == 2
    keeping = Store(str(store._engine.url))
    keeping.reclaim()
    assert {keeping.claim().task.line, keeping.claim().task.line} == {1, 2}
    assert not store.renew(silent)
    store.finish(silent, Result(1, "1.wav", "too late"))
    assert keeping.results(keeping.all()[0]) == []
    keeping.reclaim()
    assert keeping.claim() is None  # the living keep what they have


def test_item_that_kills_its_workers_is_given_up(store, tmp_path):
    job = store.add("me", "deadly", tmp_path, {}, tasks(1))
    for _ in range(jobs_store.MOST_TRIES):
        dead = Store(str(store._engine.url))
        dead.worker = dead.worker.replace(f":{os.getpid()}:", ":4194303999:")
        assert dead.claim() is not None
        store.reclaim()
    assert store.claim() is None
    assert "processes died" in store.results(job)[0].problem
    assert store.get("me", job.id).state == "failed"


def test_cancelled_items_wait_again_when_resumed(store, tmp_path):
    job = store.add("me", "many", tmp_path, {}, tasks(3))
    store.finish(store.claim(), Result(1, "1.wav", facts={"digest": "x"}))
    store.finish(store.claim(), Result(2, "2.wav", "no voice", 2))
    store.cancel(job)
    assert (store.claim(), store.get("me", job.id).state) == (None, "cancelled")
    store.resume(job)
    assert [store.claim().task.line, store.claim().task.line] == [2, 3]
    assert [result.line for result in store.results(job)] == [1]


def test_nobody_sees_anothers_job(store, tmp_path):
    job = store.add("me", "mine", tmp_path, {}, tasks(1))
    assert store.all("you") == []
    with pytest.raises(jobs_store.NoSuchJob):
        store.get("you", job.id)


@pytest.mark.parametrize(
    ("url", "kind"), [("nothing", BadOption), ("sqlite:////proc/1/x/jobs.sqlite", BadFile), ("foo://x", BadOption)]
)
def test_database_that_is_none_is_refused(url, kind):
    with pytest.raises(kind):
        Store(url)


def test_password_of_a_database_is_not_told():
    with pytest.raises(BadFile) as refusal:
        Store("postgresql://user:hunter2@127.0.0.1:1/jobs")
    assert "hunter2" not in str(refusal.value)


# Over HTTP


def test_job_makes_the_files_of_the_same_batch(web, run, work):
    common = {"seed": 7, "voice": "Ada"}
    made = web.post("/v1/jobs", json={"name": "three", "items": LINES, **common}).json()
    assert made["items"] == 3
    address = f"/v1/jobs/{made['id']}"
    done = until(lambda: (job := web.get(address).json())["state"] == "done" and job)
    assert done["counts"]["done"] == 3
    assert run("batch", table(work / "t.jsonl", *LINES), "-o", "out", "--seed", "7", "--voice", "Ada")[0] == 0
    packed = zipfile.ZipFile(BytesIO(web.get(f"{address}/zip").content))
    assert {name: packed.read(name) for name in packed.namelist()} == {
        path.name: path.read_bytes() for path in (work / "out").iterdir()
    }
    assert [one["seed"] for one in web.get(f"{address}/results").json()["data"]] == [7, 7, 88]
    assert [one["line"] for one in web.get(f"{address}/results?after=2").json()["data"]] == [3]
    assert web.delete(address).json()["deleted"]
    assert web.get(address).status_code == 404


def test_wrong_items_are_told_and_the_others_spoken(web):
    lines = [
        {"uttid": "a", "syn_text": "Hi."},
        {"uttid": "b", "syn_text": "Hi.", "voice": "Ada", "consent": "own"},
        {"uttid": "c", "syn_text": "Hi.", "voice": "Ada", "speed": "fast"},
        {"uttid": "../d", "syn_text": "Hi.", "voice": "Ada"},
        {"uttid": "e", "syn_text": "Hi.", "voice": "/etc/passwd"},
        {"uttid": "f", "syn_text": "Hi.", "voice": "Ada", "role": "nobody"},
        {"uttid": "g", "syn_text": "Hi.", "voice": "Ada"},
    ]
    job = web.post("/v1/jobs", json={"seed": 7, "items": lines}).json()["id"]
    until(lambda: web.get(f"/v1/jobs/{job}").json()["state"] == "failed")
    told = [one.get("error", "") for one in web.get(f"/v1/jobs/{job}/results").json()["data"]]
    for problem, said in zip(("voice", "consent", "speed", "plain name", "passwd", "nobody", ""), told, strict=True):
        assert problem in said
    assert told[-1] == ""


def test_role_speaks_as_in_a_batch(web, service, run, work):
    settings = {"name": "李老师", "seed": 88, "voice": "小明"}
    assert web.post("/v1/seeds", json=settings).status_code == 200
    job = web.post("/v1/jobs", json={"seed": 7, "voice": "Ada", "items": [{**LINES[2], "role": "李老师"}]}).json()
    until(lambda: web.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
    made = manifest.read(service.jobs.all()[0].folder / "three.json")
    assert (made.voice.name, made.request.seed, made.request.speed) == ("小明", 88, 1.5)


def test_job_takes_all_that_a_request_takes(web, service):
    shared = {"seed": 7, "voice": "Ada", "accent": 0.5, "context": True, "response_format": "flac"}
    job = web.post("/v1/jobs", json={**shared, "items": [LINES[0]]}).json()
    until(lambda: web.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
    made = manifest.read(service.jobs.all()[0].folder / "one.json")
    assert (made.request.seed, made.request.accent, made.request.context, made.output.format) == (7, 0.5, True, "flac")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 1, "voice": "nobody"}, "nobody"),
        ({"seed": 1, "top_k": 5}, "top_k"),
        ({"seed": 1, "sample_rate": 8000}, "8000"),
        ({"seed": 1, "subtitles": "srt"}, "subtitles"),
        ({"seed": 1, "response_format": "aac"}, "aac"),
        ({"seed": 1, "items": []}, "no lines"),
        ({"seed": 1, "items": [{"output_name": "\ud800", "input_text": "Hi."}]}, "UTF-8"),
    ],
)
def test_bad_job_is_refused_at_once(web, fields, problem):
    # Escapes carry what UTF-8 does not: half a surrogate pair.
    body = json.dumps({"items": LINES, **fields})
    answer = web.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert problem in answer.json()["error"]["message"]
    assert web.get("/v1/jobs").json()["data"] == []


def test_keys_own_their_jobs(web, service):
    _, mine = service.keys.add("me", ("speak", "manage"), TODAY)
    _, yours = service.keys.add("you", ("speak", "manage"), TODAY)
    me, you = ({"Authorization": f"Bearer {secret}"} for secret in (mine, yours))
    job = web.post("/v1/jobs", json={"seed": 1, "voice": "Ada", "items": [LINES[0]]}, headers=me).json()["id"]
    for method, path in (("GET", ""), ("GET", "/results"), ("GET", "/zip"), ("POST", "/cancel"), ("DELETE", "")):
        assert web.request(method, f"/v1/jobs/{job}{path}", headers=you).status_code == 404
    assert web.get(f"/v1/jobs/{job}").status_code == 401
    assert web.get("/v1/jobs", headers=you).json()["data"] == []
    until(lambda: web.get(f"/v1/jobs/{job}", headers=me).json()["state"] == "done")


def test_running_job_stops_where_it_is_cancelled_and_goes_on(web, service, fake_engine, monkeypatch):
    stream, gate = fake_engine.stream, []

    def slow(request, voice, **options):
        while "wait" in request.text and not gate:
            time.sleep(0.01)
        return stream(request, voice, **options)

    monkeypatch.setattr(fake_engine, "stream", slow)
    lines = [{"uttid": f"{at}", "syn_text": "Please wait." if at else "Hi."} for at in range(6)]
    job = web.post("/v1/jobs", json={"seed": 1, "voice": "Ada", "items": lines}).json()["id"]
    until(lambda: web.get(f"/v1/jobs/{job}").json()["counts"]["done"] == 1)
    assert web.get(f"/v1/jobs/{job}/zip").status_code == 422
    assert web.delete(f"/v1/jobs/{job}").status_code == 422
    stopped = web.post(f"/v1/jobs/{job}/cancel").json()
    assert (stopped["state"], stopped["counts"]["cancelled"]) == ("cancelled", 5)
    gate.append(True)
    assert web.post(f"/v1/jobs/{job}/resume").json()["counts"]["cancelled"] == 0
    until(lambda: web.get(f"/v1/jobs/{job}").json()["state"] == "done")


def test_unfinished_items_go_back_when_the_runner_stops(store, tmp_path, fake_engine, library):
    store.add("me", "long", tmp_path, {}, [Task(1, " ".join(["This is a long text."] * 50), "1.wav")])
    begun = []

    def performer(job, watch):
        def told(pieces):
            for piece in watch(pieces):
                begun.append(piece)
                time.sleep(0.02)
                yield piece

        request = batch.Request("Good morning. " * 50)
        return batch.Booth(fake_engine, job.folder, lambda task: (request, takes.Cast(library.get("Ada"))), watch=told)

    runner = Runner(store, performer)
    runner.start()
    until(lambda: begun)
    runner.stop()
    assert store.all()[0].counts == {"waiting": 1}
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".wav", ".json")] == []


def test_whoever_sees_a_job_done_finds_its_index(store, tmp_path, fake_engine, library, monkeypatch):
    job = store.add("me", "two", tmp_path, {}, [Task(1, "One.", "1.wav"), Task(2, "Two.", "2.wav")])
    indices = []
    finish = store.finish

    def seen(claim, result):
        index = job.folder / batch.INDEX
        indices.append(index.read_text("utf-8").splitlines() if index.exists() else [])
        finish(claim, result)

    def performer(job, watch):
        return batch.Booth(
            fake_engine,
            job.folder,
            lambda task: (batch.Request(task.text), takes.Cast(library.get("Ada"))),
            watch=watch,
        )

    monkeypatch.setattr(store, "finish", seen)
    assert Runner(store, performer).work_off() == 2
    assert [len(lines) for lines in indices] == [0, 2]
    assert [json.loads(line)["output"] for line in indices[1]] == ["1.wav", "2.wav"]
    assert indices[1] == (job.folder / batch.INDEX).read_text("utf-8").splitlines()


# The commands


def test_jobs_are_handed_in_followed_and_run_from_the_command_line(run, work):
    handed = table(work / "t.jsonl", *LINES)
    job = json.loads(run("jobs", "submit", handed, "--voice", "Ada", "--seed", "7", "--data", "d", "--json")[1])["id"]
    assert "waiting" in run("jobs", "list", "--data", "d")[1]
    assert run("jobs", "cancel", job[:8], "--data", "d")[0] == 0
    assert run("jobs", "resume", job[:8], "--data", "d")[0] == 0
    assert "3/3" in run("jobs", "run", "--data", "d")[1]
    shown = json.loads(run("jobs", "show", job, "--follow", "--data", "d", "--json")[1])
    assert (shown["state"], len(shown["results"])) == ("done", 3)
    run("batch", handed, "-o", "out", "--seed", "7", "--voice", "Ada")
    made = {path.name: path.read_bytes() for path in Path(shown["folder"]).iterdir()}
    assert made == {path.name: path.read_bytes() for path in (work / "out").iterdir()}
    assert run("jobs", "remove", job, "--data", "d")[0] == 0
    assert not Path(shown["folder"]).exists()
    assert json.loads(run("jobs", "list", "--data", "d", "--json")[1]) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "none.jsonl"],
        ["submit", "t.jsonl", "--voice", "nobody"],
        ["submit", "t.jsonl", "--voice", "Ada", "--seed", "x"],
        ["submit", "t.jsonl", "--voice", "Ada", "--speed", "99"],
        ["show", "abc"],
        ["list", "--database", "nothing://"],
    ],
)
def test_bad_command_is_one_line_and_code_2(run, work, arguments):
    table(work / "t.jsonl", *LINES)
    code, out, err = run("jobs", *arguments, *([] if "--database" in arguments else ["--data", "d"]))
    assert (code, out, len(err.splitlines())) == (2, "", 1)


# Retention


@pytest.fixture
def outputs(run, work) -> Path:
    """Three sounds of rising age, the oldest last, beside a file that resay did not make."""
    run("batch", table(work / "t.jsonl", *LINES), "-o", "outputs/x", "--voice", "Ada")
    for days, name in enumerate(("one.wav", "two.wav", "three.flac")):
        for file in (work / "outputs" / "x" / name, (work / "outputs" / "x" / name).with_suffix(".json")):
            then = time.time() - 86_400 * (10 * days + 5)
            os.utime(file, (then, then))
    (work / "outputs" / "foreign.wav").write_bytes(b"not ours")
    return work / "outputs"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".jsonl"}


def test_old_sounds_go_with_their_manifests_and_nothing_else(run, outputs):
    before = names(outputs)
    code, out, _ = run("clean", "--older-than", "12d", "--dry-run", "--data", "d")
    assert (code, names(outputs)) == (0, before)
    assert {Path(line).name for line in out.splitlines()[:-1]} == {"two.wav", "three.flac"}
    assert run("clean", "--older-than", "12d", "--data", "d")[0] == 0
    assert names(outputs) == {"one.wav", "one.json", "foreign.wav"}


def test_the_oldest_go_until_the_rest_fits(run, outputs):
    rest = sum((outputs / "x" / name).stat().st_size for name in ("one.wav", "one.json", "two.wav", "two.json"))
    assert run("clean", "--larger-than", str(rest), "--data", "d")[0] == 0
    assert names(outputs) == {"one.wav", "one.json", "two.wav", "two.json", "foreign.wav"}


def test_what_a_role_or_a_job_refers_to_stays(run, outputs, library, work):
    accepted = manifest.read(outputs / "x" / "three.json").output.digest
    SeedLibrary().add(Role("老师", 88, "Ada", accepted=accepted))
    clip = manifest.digest_of((outputs / "x" / "two.wav").read_bytes())
    SeedLibrary(work / "d" / "keys" / "abc" / "seeds.jsonl").add(Role("助教", 1, "Ada", clip=clip))
    store = Store(f"sqlite:///{work / 'd' / 'jobs.sqlite'}")
    job = store.add("local", "busy", outputs, {}, tasks(1))
    job.folder.mkdir()
    for file in ("one.wav", "one.json"):
        (outputs / "x" / file).rename(job.folder / file)
    before = names(outputs)
    assert json.loads(run("clean", "--older-than", "1m", "--data", "d", "--json")[1])["named"] == 2
    assert names(outputs) == before
    store.cancel(job)
    SeedLibrary().remove("老师")
    assert run("clean", "--older-than", "1m", "--data", "d")[0] == 0
    assert names(outputs) == {"two.wav", "two.json", "foreign.wav"}


def test_damaged_seed_library_stops_the_cleaning(run, outputs, tmp_path):
    (tmp_path / "seeds.jsonl").write_text("{}\n")
    before = names(outputs)
    assert run("clean", "--older-than", "1m", "--data", "d")[0] == 2
    assert names(outputs) == before


@pytest.mark.parametrize("options", ["", "--older-than soon", "--larger-than big", "nowhere --older-than 1d"])
def test_unclear_cleaning_is_refused(run, work, options):
    assert run("clean", *options.split(), "--data", "d")[0] == 2


def test_links_are_not_followed(outputs, tmp_path):
    far = tmp_path / "far"
    (outputs / "x").rename(far)
    (outputs / "link.wav").symlink_to(far / "one.wav")
    (outputs / "link.json").symlink_to(far / "one.json")
    assert [sound.path.name for sound in retention.sounds(outputs)] == []


# With the shipped weights, in processes of their own


@pytest.mark.skipif(not (SHIPPED / "model.json").is_file(), reason="there are no shipped weights")
@pytest.mark.slow
@pytest.mark.parametrize(("items", "kills"), [(8, 1), (200, 10)], ids=["small", "full"])
def test_job_whose_server_is_killed_comes_out_as_if_undisturbed(monkeypatch, items, kills):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    killed_jobs = importlib.import_module("killed_jobs")
    report = killed_jobs.measure(items, kills)
    assert report == replace(report, items=items, kills=kills, results=items, differences=(), spoken_twice=0)
