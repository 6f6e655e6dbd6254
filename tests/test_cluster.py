"""Work on a Ray cluster: how items are given out, and, where Ray is installed, a cluster that loses workers."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from resay import cluster, voices
from resay.batch import Result, Task
from resay.cluster import Place
from resay.errors import BadOption
from resay.synthesis import SHIPPED

TASKS = [Task(number, f"text {number}", f"{number}.wav") for number in range(1, 9)]
with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


class Workers:
    """A cluster in this process: jobs are numbers, those in `fatal` lose their worker."""

    def __init__(self, *fatal: int) -> None:
        self.fatal, self.jobs, self.most = fatal, list[tuple[Task, bool]](), 0

    def submit(self, task: Task, again: bool) -> int:
        self.jobs.append((task, again))
        return len(self.jobs) - 1

    def collect(self, running):
        self.most = max(self.most, len(running))
        job = running[-1]
        task, _ = self.jobs[job]
        return job, None if job in self.fatal else Result(task.line, task.output)


def test_every_item_is_given_out_once_and_so_many_at_a_time():
    workers = Workers()
    results = list(cluster.dispatch(TASKS, workers.submit, workers.collect, 3))
    assert sorted(result.line for result in results) == list(range(1, 9))
    assert [task for task, _ in workers.jobs] == TASKS
    assert not any(again for _, again in workers.jobs)
    assert workers.most == 3


def test_item_of_a_lost_worker_is_given_out_once_more():
    workers = Workers(1, 4)
    results = list(cluster.dispatch(TASKS, workers.submit, workers.collect, 2))
    assert sorted(result.line for result in results if not result.problem) == list(range(1, 9))
    assert len(workers.jobs) == len(TASKS) + 2
    repeated = [task for task, again in workers.jobs if again]
    assert repeated == [workers.jobs[1][0], workers.jobs[4][0]]


def test_item_that_loses_two_workers_is_told_and_the_others_are_spoken():
    workers = Workers(0, 1)
    results = list(cluster.dispatch(TASKS, workers.submit, workers.collect, 1))
    assert [result.line for result in results if result.problem] == [1]
    assert "lost twice" in results[0].problem
    assert len(results) == len(TASKS)


def test_workers_stand_where_the_command_was_called(work, monkeypatch, tmp_path):
    place = Place()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESAY_VOICES", "elsewhere")
    monkeypatch.setenv("RESAY_LANGUAGE", "zh")
    place.enter()
    assert Path.cwd() == work
    assert (os.environ["RESAY_VOICES"], os.environ["RESAY_LANGUAGE"]) == (str(tmp_path / "own"), "en")
    with pytest.raises(BadOption, match="folder that all machines see"):
        Place(str(tmp_path / "none")).enter()


def test_what_means_nothing_without_a_cluster_is_refused(run, work):
    (work / "t.jsonl").write_text('{"uttid": "a", "voice": "Ada", "syn_text": "Hello."}\n')
    for arguments in (["batch", "t.jsonl", "-o", "out", "--address", "x:1"], ["serve", "--replicas", "2"]):
        code, _, told = run(*arguments)
        assert (code, "no meaning with --engine local" in told) == (2, True)
    assert not (work / "out").exists()


def test_without_ray_it_is_said_what_to_install(run, work, monkeypatch):
    monkeypatch.setattr("resay.cli.options.find_spec", lambda name: None)
    (work / "t.jsonl").write_text('{"uttid": "a", "voice": "Ada", "syn_text": "Hello."}\n')
    for arguments in (["batch", "t.jsonl", "-o", "out"], ["serve"]):
        code, _, told = run(*arguments, "--engine", "ray")
        assert (code, "resay[cluster]" in told) == (2, True)


@with_ray
def test_pages_and_strangers_are_refused_before_a_cluster_is_asked(run):
    pytest.importorskip("fastapi")
    for arguments, problem in ((["--page"], "no meaning with --engine ray"), (["--host", "0.0.0.0"], "make a key")):
        code, _, told = run("serve", "--engine", "ray", *arguments)
        assert (code, problem in told) == (2, True), told


# With Ray and the shipped weights


@pytest.fixture
def lost_worker(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    return importlib.import_module("lost_worker")


slow_ray = [pytest.mark.slow, with_ray, pytest.mark.skipif(not (SHIPPED / "model.json").is_file(), reason="no weights")]


class TestCluster:
    pytestmark = slow_ray

    @pytest.mark.parametrize(("items", "kills"), [(200, 1)])
    def test_a_lost_worker_loses_nothing_and_nothing_is_done_twice(self, lost_worker, items, kills):
        report = lost_worker.measure(items, 2, kills)
        assert report == lost_worker.Report(items, kills, differences=(), spoken_twice=0)

    def test_replicas_answer_as_one_machine_does_and_outlive_one_of_them(self, lost_worker, tmp_path):
        openai = pytest.importorskip("openai")
        text, voice = "Say it again.", sorted(voices.SHIPPED.glob("*.voice"))[0].stem
        target = tmp_path / "spoken.wav"
        speak = [sys.executable, "-m", "resay", "speak", text, "--voice", voice, "-o", str(target)]
        subprocess.run(speak, check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with lost_worker.cluster(3) as (head, environment):
            serve = [sys.executable, "-m", "resay", "serve", "--engine", "ray", "--address", environment["RAY_ADDRESS"]]
            serve += ["--replicas", "2", "--no-page", "--port", str(port), "--data", str(tmp_path / "data")]
            with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, env=environment) as server:
                assert any(f"http://127.0.0.1:{port}" in line for line in server.stderr)
                client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=5)

                def spoken() -> bytes:
                    answer = client.audio.speech.create(
                        model="resay", voice=voice, input=text, response_format="wav", timeout=180
                    )
                    return answer.content

                assert {spoken() for _ in range(6)} == {target.read_bytes()}
                below = lost_worker.processes_below(head)
                replicas = [process for process, line in below.items() if line.startswith("ray::ServeReplica:resay")]
                assert len(replicas) == 2
                os.kill(replicas[0], signal.SIGKILL)
                assert {spoken() for _ in range(6)} == {target.read_bytes()}
                server.send_signal(signal.SIGTERM)
                assert server.wait(180) == 0
            with pytest.raises(OSError, match=r"refused|404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
