"""What judges have said of sounds, kept in a file: nothing is heard twice, and a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .. import audio
from ..audio import Audio
from ..errors import BadFile

Answer = TypeVar("Answer", str, float, list[float])


class Memory:
    """Answers of judges by the sound they were about, a line of JSON each; without a file nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises BadFile where the file is there and cannot be read, or is not one of these."""
        self._path = path
        self._known: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        try:
            *whole, rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as error:
            raise BadFile(f"{path}: cannot be read ({error.strerror})") from error
        try:
            for line in whole:
                ((key, answer),) = json.loads(line).items()
                self._known[bytes.fromhex(key).hex()] = answer
        except (ValueError, TypeError, AttributeError) as error:
            raise BadFile(f"{path}: holds no answers of judges; name another file") from error
        if rest and not whole:
            raise BadFile(f"{path}: holds no answer of a judge to its end; name another file, or delete it")
        if rest:  # cut off in the middle of the last answer
            audio.write_bytes(path, "".join(f"{line}\n" for line in whole).encode())

    def ask(self, judge: str, sound: Audio, question: Callable[[], Answer]) -> Answer:
        """What a judge, called by name and by what it listens for, says of a sound: `question` is asked once only.

        Raises BadFile where the answer cannot be kept.
        """
        if self._path is None:
            return question()
        key = hashlib.sha256(f"{judge} {sound.sample_rate} ".encode() + sound.samples.tobytes()).hexdigest()
        answer: Answer | None = self._known.get(key)
        if answer is None:
            answer = self._known[key] = question()
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({key: answer}, ensure_ascii=False) + "\n")
            except OSError as error:
                raise BadFile(f"{self._path}: cannot be written ({error.strerror})") from error
        return answer
