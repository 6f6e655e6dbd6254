"""Processes and certificates of a real training: a SuperLink with TLS and node keys, a SuperNode for each client.

Flower's own programs do the networking; this writes what they need and starts them with telemetry, update checks and
the installation of anything at run time turned off.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .. import audio
from ..errors import BadFile, BadRequest

APP = {
    "pyproject.toml": """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "resay-federated"
version = "1.0.0"
dependencies = []

[tool.flwr.app]
publisher = "resay"

[tool.flwr.app.components]
serverapp = "resay_federated.server_app:app"
clientapp = "resay_federated.client_app:app"

[tool.flwr.app.config]
folder = ""
rounds = 0
deadline = 0.0
canary = ""
models = ""
""",
    "resay_federated/__init__.py": "",
    "resay_federated/server_app.py": "from resay.federated import server_app\n\napp = server_app.app\n",
    "resay_federated/client_app.py": "from resay.federated import client_app\n\napp = client_app.app\n",
}
"""What Flower packs and sends to the nodes: nothing but the names of apps that every node has installed itself.

Flower looks for an assignment to `app` in the text, so an import of it is not enough."""
LINK = "resay"
LIFETIME = timedelta(days=825)


def environment(home: Path) -> dict[str, str]:
    """Of every Flower process: it says nothing to anybody and installs nothing."""
    own = {
        "FLWR_HOME": str(home.absolute()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Flower starts a process for every look at a task that none has taken up yet: on a slow machine, many.
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "3",
        # Flower's programs start each other by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return {**os.environ, **own}


def program(name: str) -> str:
    """One of Flower's programs, beside this Python. Raises BadRequest where it is not installed."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise BadRequest("Flower is not installed; pip install 'resay[federated]'")
    return str(path)


@dataclass(frozen=True)
class Link:
    """The server's folder: certificates, Flower's own state, the training's checkpoint and what was published."""

    folder: Path
    address: str
    """HOST:PORT that clients connect to; the certificate is made out to HOST."""

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]

    @property
    def authority(self) -> Path:
        """The certificate that clients need to know the server by."""
        return self.folder / "ca.crt"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    def prepare(self) -> None:
        """Write certificates, the app and Flower's configuration, where they are not there yet. Raises BadFile."""
        if not self.host or not self.port.isdigit():
            raise BadFile(f"{self.address!r} is no address; write HOST:PORT")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not self.authority.exists():
            _certificates(self.folder, self.host)
        for name, content in APP.items():
            path = self.folder / "app" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        home = self.folder / "flower"
        home.mkdir(exist_ok=True)
        config = f'[superlink.{LINK}]\naddress = "{self.address}"\nroot-certificates = "{self.authority.absolute()}"\n'
        (home / "config.toml").write_text(config, encoding="utf-8")

    def superlink(self) -> list[str]:
        """The command that starts the SuperLink."""
        return [
            *(program("flower-superlink"), "--ssl-ca-certfile", str(self.authority)),
            *("--ssl-certfile", str(self.folder / "server.pem"), "--ssl-keyfile", str(self.folder / "server.key")),
            *("--enable-supernode-auth", "--host", self.host, "--port", self.port),
            *("--disable-runtime-dependency-installation", "--database", str(self.folder / "state.db")),
        ]

    def admit(self, node_key: Path) -> None:
        """Register a node's public key: only nodes that were admitted may connect. Raises BadRequest."""
        self.flwr(["supernode", "register", str(node_key), LINK])

    def start(self, rounds: int, deadline: float, models: Path, canary: Path | None) -> None:
        """Play a run on a SuperLink that is up, from the checkpoint to its end. Raises BadRequest."""
        values = {
            "folder": json.dumps(str(self.training.absolute())),
            "rounds": str(rounds),
            "deadline": f"{deadline:.1f}",
            "models": json.dumps(str(models.absolute())),
            "canary": json.dumps("" if canary is None else str(canary.absolute())),
        }
        config = " ".join(f"{name}={value}" for name, value in values.items())
        self.flwr(["run", str(self.folder / "app"), LINK, "--stream", "--run-config", config], shown=True)

    def flwr(self, arguments: Sequence[str], shown: bool = False) -> str:
        """Run Flower's own command against this SuperLink. Raises BadRequest with what it says, unless it was shown."""
        command = [program("flwr"), *arguments]
        where = None if shown else subprocess.PIPE
        home = environment(self.folder / "flower")
        done = subprocess.run(command, env=home, stdout=where, stderr=where, text=True, check=False)
        if done.returncode:
            said = " ".join(((done.stderr or "") + (done.stdout or "")).split())
            raise BadRequest(f"flwr {arguments[0]} failed: {said[:300] or 'see above'}")
        return done.stdout or ""


def supernode(server: str, authority: Path, node_key: Path, membership: Path, port: int) -> list[str]:
    """The command that starts a client's SuperNode; `port` is for its own processes, on this machine only."""
    return [
        *(program("flower-supernode"), "--root-certificates", str(authority), "--superlink", server),
        *("--auth-supernode-private-key", str(node_key), "--host", "127.0.0.1", "--port", str(port)),
        *("--node-config", f'membership="{membership.absolute()}"'),
    ]


def _certificates(folder: Path, host: str) -> None:
    """A certificate authority of our own, and a certificate of the server that it has signed."""
    authority, server = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "resay federated training")])
    root = _certificate(issuer, issuer, authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    leaf = _certificate(subject, issuer, server.public_key())
    leaf = leaf.add_extension(x509.SubjectAlternativeName([_named(host)]), critical=False)
    # The authority's private key is forgotten: it signs this one certificate and nothing ever again.
    _write(folder / "server.key", _private(server))
    _write(folder / "server.pem", leaf.sign(authority, hashes.SHA384()).public_bytes(serialization.Encoding.PEM))
    _write(folder / "ca.crt", root.sign(authority, hashes.SHA384()).public_bytes(serialization.Encoding.PEM))


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    audio.write_bytes(path, content)
    path.chmod(0o600)
