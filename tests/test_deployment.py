"""Images and manifests: what they say is there, is pinned, is accepted by the command line, and builds."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement

import resay
from resay.cli.edge import app

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
KNOWN = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def accepted(arguments: list[str]) -> None:
    """Parses a command line of resay without running it. Raises click's UsageError where it is none."""
    command = typer.main.get_command(app)
    context = command.make_context("resay", list(arguments))
    while getattr(command, "commands", None):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, list(rest), parent=context)


# The image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, an instruction a line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions after each FROM."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def arguments() -> dict[str, str]:
    return dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG")


def test_image_is_made_in_two_stages_from_one_exact_base():
    assert {name for name, _ in instructions()} <= KNOWN
    build, last = stages()
    assert build[0][1] == "python:${PYTHON} AS build"
    assert last[0][1] == "python:${PYTHON}"
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", arguments()["PYTHON"])
    assert not any("install" in rest and "pip" in rest for name, rest in last if name == "RUN")


def test_image_is_not_root_and_knows_whether_it_lives():
    _, last = stages()
    names = [name for name, _ in last]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", dict(last)["USER"])
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])
    assert "/healthz" in dict(last)["HEALTHCHECK"]
    entry, command = (json.loads(dict(last)[name]) for name in ("ENTRYPOINT", "CMD"))
    assert entry == ["resay"]
    accepted(command)
    assert "127.0.0.1" not in command


def test_every_file_that_the_image_takes_reaches_the_builder():
    """The list of what is left out would else break the build, which only a docker daemon would notice."""
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch(source, pattern) for pattern in let_in), source


def test_everything_that_is_installed_is_pinned_and_allowed():
    pins = dict(
        line.split("==") for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines() if "==" in line
    )
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["serve"], *extras["studio"]]:
        wanted = Requirement(text)
        if wanted.name != "resay":
            assert pins[wanted.name.lower()] in wanted.specifier, f"{text}: run `make pins`"


class CleanFolder:
    """A folder in which an image's steps are run as a script: its absolute paths lie below it."""

    def __init__(self, root: Path) -> None:
        self.root, self.workdir = root, "/"
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "python").symlink_to(getattr(sys, "_base_executable", sys.executable))
        index = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "http"))}
        self.environment = {"PATH": f"{root / 'bin'}:/usr/bin:/bin", "HOME": str(root), "LANG": "C.UTF-8", **index}

    def placed(self, text: str) -> str:
        """Absolute paths of the image, in the folder."""
        return re.sub(r"(?<![\w./}])/(opt|build|data)\b", lambda found: f"{self.root}/{found[1]}", text)

    def path(self, name: str) -> Path:
        return Path(self.placed(name if name.startswith("/") else f"{self.workdir.rstrip('/')}/{name}"))

    def take(self, name: str, rest: str) -> None:
        if name == "WORKDIR":
            self.workdir = rest
            self.path(rest).mkdir(parents=True, exist_ok=True)
        elif name == "ARG":
            self.environment.update([rest.split("=", 1)])
        elif name == "ENV":
            self.environment.update(part.split("=", 1) for part in shlex.split(self.placed(rest)))
            self.environment["PATH"] += f":{self.root / 'bin'}"
        elif name == "COPY":
            self._copy(rest.split())
        elif name == "RUN":
            subprocess.run(["bash", "-euc", self.placed(rest)], check=True, cwd=self.path("."), env=self.environment)

    def _copy(self, parts: list[str]) -> None:
        if parts[0].startswith("--from"):
            assert parts[1] == parts[2]  # both stages lie in one folder
            return
        for source in parts[:-1]:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, self.path(parts[-1]), ignore=ignored)
            else:
                target = self.path(parts[-1])
                target = target / Path(source).name if parts[-1].endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="an image is made by root")
def test_steps_of_the_image_make_a_server_that_speaks(tmp_path):
    """Run as a script, for there is not always a docker daemon. Needs a package index."""
    folder = CleanFolder(tmp_path / "image")
    for name, rest in instructions():
        folder.take(name, rest)
    _, last = stages()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    resay_ = str(folder.root / "opt" / "resay" / "bin" / "resay")
    key = [resay_, "key", "add", "test", "--json", "--data", str(folder.path("/data/server"))]
    made = subprocess.run(key, check=True, capture_output=True, env=folder.environment, cwd=folder.path("."))
    secret = json.loads(made.stdout)["key"]
    command = [folder.placed(part) for part in json.loads(dict(last)["CMD"])]
    with subprocess.Popen([resay_, *command, "--port", str(port)], env=folder.environment) as server:
        try:
            body = {"model": "resay", "voice": "ada", "input": "Say it again.", "response_format": "wav"}
            head = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
            address = f"http://127.0.0.1:{port}/v1/audio/speech"
            content = answered(urllib.request.Request(address, json.dumps(body).encode(), head))
        finally:
            server.terminate()
        assert server.wait(120) == 0
    speak = [sys.executable, "-m", "resay", "speak", body["input"], "--voice", "ada", "-o", str(tmp_path / "x.wav")]
    subprocess.run(speak, check=True, capture_output=True)
    assert content == (tmp_path / "x.wav").read_bytes()


def answered(request: urllib.request.Request, patience: float = 600.0) -> bytes:
    """What the server answers, when it is there."""
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return answer.read()
        except OSError:
            assert time.monotonic() < end, "no answer"
            time.sleep(0.5)


# Kubernetes


def resources() -> dict[str, list[dict]]:
    return {
        path.name: [part for part in yaml.safe_load_all(path.read_text(encoding="utf-8")) if part]
        for path in sorted(KUBERNETES.glob("*.yaml"))
        if path.name != "kustomization.yaml"
    }


def validate(part: dict) -> None:
    """Raises ValidationError where Kubernetes would refuse it."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(part, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", [path.name for path in sorted(KUBERNETES.glob("*.yaml"))])
def test_kubernetes_takes_every_resource(name):
    for part in resources().get(name, []):
        validate(part)


def test_the_check_of_kubernetes_files_can_fail():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    deployment = resources()["speech.yaml"][0]
    for spoilt in ({**deployment, "replica": 3}, {**deployment, "spec": {**deployment["spec"], "replicas": "three"}}):
        with pytest.raises(kubernetes_validate.ValidationError):
            validate(spoilt)


def pods() -> list[dict]:
    found = []
    for parts in resources().values():
        for part in parts:
            if part["kind"] in ("Deployment", "StatefulSet"):
                found.append({**part["spec"]["template"], "claims": part["spec"].get("volumeClaimTemplates", [])})
            elif part["kind"] == "Pod":
                found.append({**part, "claims": []})
    return found


def test_resources_name_only_what_is_there():
    everything = [part for parts in resources().values() for part in parts]
    claims = {part["metadata"]["name"] for part in everything if part["kind"] == "PersistentVolumeClaim"}
    labels = [pod["metadata"].get("labels", {}) for pod in pods()]
    for part in everything:
        selector = part["spec"].get("selector") or part["spec"].get("podSelector") if "spec" in part else None
        wanted = (selector or {}).get("matchLabels", selector or {})
        assert not wanted or any(wanted.items() <= known.items() for known in labels), part["metadata"]["name"]
    for pod in pods():
        own = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        own |= {claim["metadata"]["name"] for claim in pod["claims"]}
        for volume in pod["spec"].get("volumes", []):
            assert volume.get("persistentVolumeClaim", {}).get("claimName", "data") in claims
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= own
            ports = {port["name"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = container.get(kind, {}).get("httpGet")
                assert probe is None or probe["port"] in ports and probe["path"] in ("/healthz", "/readyz")


def test_pods_are_not_root_and_several_share_one_folder():
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] > 0
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
            assert container["resources"]["limits"]["memory"]
            if container["image"].split(":")[0] == "resay" and container["name"] == "resay":
                accepted(container["args"])
    deployment = next(part for part in resources()["speech.yaml"] if part["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] > 1
    assert all(claim["spec"]["accessModes"] == ["ReadWriteMany"] for claim in resources()["storage.yaml"])


def test_kustomization_lists_every_file_and_this_version():
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) | {"key.yaml"} == set(resources())
    assert kustomization["images"] == [{"name": "resay", "newTag": resay.__version__}]
    assert pods_image("key") == f"resay:{resay.__version__}"


def pods_image(name: str) -> str:
    return next(pod for pod in pods() if pod["metadata"].get("name") == name)["spec"]["containers"][0]["image"]


# Compose, systemd, conda


def test_compose_names_only_what_is_there():
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    services = compose["services"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        assert set(service.get("depends_on", [])) <= set(services), name
        for config in service.get("configs", []):
            assert (ROOT / "deploy" / compose["configs"][config["source"]]["file"]).is_file()
        image = service["image"].replace("${RESAY_VERSION:-", "").replace("}", "")
        assert re.fullmatch(r"[\w./]+:\d+\.\d+(\.\d+)?(-\w+)?", image), image
    assert services["speech"]["image"] == f"resay:${{RESAY_VERSION:-{resay.__version__}}}"
    accepted(services["speech"]["command"])
    assert services["speech"]["deploy"]["replicas"] > 1
    assert services["speech"]["read_only"] is True
    assert "healthcheck" in services["database"]
    assert compose["networks"]["inside"]["internal"] is True
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert (ROOT / "deploy" / services["speech"]["build"]["context"] / "Dockerfile").is_file()


def test_the_proxy_hands_on_what_the_server_needs():
    proxy = (ROOT / "deploy" / "nginx.conf").read_text()
    for needed in ("proxy_buffering off", "Host $http_host", "Upgrade $http_upgrade", "ip_hash", "server speech:8080"):
        assert needed in proxy
    from resay.server.limits import Limits

    size = re.search(r"client_max_body_size (\d+)m", proxy)
    assert size is not None
    assert int(size[1]) * 2**20 > Limits().upload_bytes


def test_systemd_takes_the_unit(tmp_path):
    text = (ROOT / "deploy" / "resay.service").read_text()
    command = re.search(r"^ExecStart=/opt/resay/bin/resay (.*)$", text, flags=re.MULTILINE)
    assert command is not None
    accepted(command[1].split())
    assert "User=resay" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here to ask")
    unit = tmp_path / "resay.service"
    unit.write_text(text.replace("/opt/resay/bin/resay", "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert [line for line in told.stderr.splitlines() if "resay.service" in line] == []
    unit.write_text(text.replace("/opt/resay/bin/resay", "/bin/true").replace("[Service]", "[Service]\nTypo=yes"))
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert "Typo" in told.stderr


def test_conda_makes_the_environment_that_images_have():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "resay"
    plain = [part for part in environment["dependencies"] if isinstance(part, str)]
    pip = next(part for part in environment["dependencies"] if isinstance(part, dict))["pip"]
    assert f"python={arguments()['PYTHON'].rpartition('.')[0]}" in plain
    assert "--constraint deploy/constraints.txt" in pip
    assert "-e .[studio]" in pip
