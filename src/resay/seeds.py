"""The seed library: which role speaks with which seed, voice and settings, and which sound was accepted.

One JSON object a line, so that a team can keep it under version control and read its changes.
"""

from __future__ import annotations

import difflib
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import platformdirs

from . import audio
from .errors import BadFile, BadOption, Unreproducible
from .manifest import Manifest
from .prosody import Sampling
from .replay import own_differences, refuse
from .voices import Voice

LONGEST_NAME = 80  # characters
HEADINGS = ("No.", "Role", "Seed", "Voice", "Scene", "Heard", "Settings", "Accepted sound", "Verified clip", "Since")


@dataclass(frozen=True)
class Settings:
    """How a role speaks, beside voice and seed."""

    sampling: Sampling = field(default_factory=Sampling)
    style_strength: float = 1.0
    accent: float = 0.0
    speed: float = 1.0
    language: str = "auto"

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that a library stays readable."""
        usual = Settings()
        changed = {
            name: getattr(self, name)
            for name in ("style_strength", "accent", "speed", "language")
            if getattr(self, name) != getattr(usual, name)
        }
        drawn = {name: value for name, value in vars(self.sampling).items() if value != getattr(usual.sampling, name)}
        return {**changed, **({"sampling": drawn} if drawn else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """Raises TypeError for fields that no version had, BadOption for values outside what they may be."""
        return cls(**{**data, "sampling": Sampling(**data.get("sampling", {}))})


@dataclass(frozen=True)
class Role:
    """One entry: 张老师 is seed 42 of this voice."""

    name: str
    seed: int
    voice: str
    """Name in the voice library."""
    number: int = 0
    """Counts entries from 1, for ever: a removed entry's number is not given again."""
    voice_digest: str = ""
    scene: str = ""
    """What the role is for: news, lessons, a story."""
    character: str = ""
    """What was heard: steady, clear, lively."""
    settings: Settings = field(default_factory=Settings)
    accepted: str = ""
    """Digest of the sound that was accepted: whoever makes it again can prove it."""
    clip: str = ""
    """Digest of the verified clip that the voice came from."""
    day: date | None = None

    def to_json(self) -> dict[str, Any]:
        data = {**vars(self), "settings": self.settings.to_json(), "day": self.day and self.day.isoformat()}
        return {name: value for name, value in data.items() if value not in ("", None, {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Role:
        """Raises KeyError, TypeError, ValueError or BadOption for anything that `to_json` could not have made."""
        day = data.get("day")
        settings = Settings.from_json(data.get("settings", {}))
        role = cls(**{**data, "settings": settings, "day": date.fromisoformat(day) if day else None})
        if not all(isinstance(value, str) for value in (role.name, role.voice, role.scene, role.character)):
            raise ValueError("a text field is none")
        if not isinstance(role.seed, int) or not isinstance(role.number, int) or role.seed < 0:
            raise ValueError("the seed is none")
        return role


def default_path() -> Path:
    """$RESAY_SEEDS, or `seeds.jsonl` in the user's data folder."""
    chosen = os.environ.get("RESAY_SEEDS")
    return Path(chosen) if chosen else platformdirs.user_data_path("resay", appauthor=False) / "seeds.jsonl"


class SeedLibrary:
    """Roles in one file. It is read anew for every question: another process may just have added one."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_path() if path is None else path

    def __iter__(self) -> Iterator[Role]:
        """All roles by number. Raises BadFile, naming the line, for a damaged library."""
        return iter(self._read()[1])

    def find(self, key: str) -> list[Role]:
        """Roles by name, by `#number`, by seed or, where no role has such a seed, by number."""
        plain = _plain(key)
        roles = list(self)
        named = [role for role in roles if role.name == plain]
        if named or not plain.lstrip("#").isdecimal():
            return named
        number = int(plain.lstrip("#"))
        numbered = [role for role in roles if role.number == number]
        seeded = [role for role in roles if role.seed == number]
        return numbered if plain.startswith("#") else seeded or numbered

    def get(self, key: str) -> Role:
        """The one role of this name or number. Raises BadOption where there is none, or more than one."""
        found = self.find(key)
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(f"{role.name} (#{role.number})" for role in found)
            raise BadOption(f"seed {key} belongs to several roles: {choices}; choose one by name or number")
        near = difflib.get_close_matches(_plain(key), [role.name for role in self], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`resay seeds list` shows all"
        raise BadOption(f"no role {key!r} in the seed library; {hint}")

    def add(self, role: Role, overwrite: bool = False) -> Role:
        """Save a role and give it its number. Raises BadOption for a bad or taken name."""
        role = replace(role, name=_checked(role.name))
        last, roles = self._read()
        before = next((known for known in roles if known.name == role.name), None)
        if before is not None and not overwrite:
            raise BadOption(f"there is a role {role.name!r} already (#{before.number}); use --replace to overwrite it")
        number = last + 1 if before is None else before.number
        role = replace(role, number=number)
        self._write(max(last, number), [*(known for known in roles if known.number != number), role])
        return role

    def remove(self, key: str) -> Role:
        """Delete a role. Raises BadOption where `get` does."""
        role = self.get(key)
        last, roles = self._read()
        self._write(last, [known for known in roles if known.number != role.number])
        return role

    def _read(self) -> tuple[int, list[Role]]:
        """The last number ever given, and all roles."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return 0, []
        except (OSError, ValueError) as error:
            raise BadFile(f"{self.path}: the seed library cannot be read ({error})") from error
        last, roles = 0, []
        for place, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
                if "last_number" in data:
                    last = int(data["last_number"])
                else:
                    roles.append(Role.from_json(data))
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError, BadOption) as error:
                raise BadFile(f"{self.path}: line {place} is no role ({error})") from error
        return max([last, *(role.number for role in roles)]), sorted(roles, key=lambda role: role.number)

    def _write(self, last: int, roles: Iterable[Role]) -> None:
        lines = [{"last_number": last}, *(role.to_json() for role in sorted(roles, key=lambda role: role.number))]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        audio.write_bytes(self.path, text.encode())


def from_manifest(name: str, recorded: Manifest) -> Role:
    """A role that speaks as an accepted sound was spoken. Raises Unreproducible for a manifest that was changed."""
    refuse(list(own_differences(recorded)))
    request = recorded.request
    return Role(
        name,
        request.seed,
        recorded.voice.name,
        voice_digest=recorded.voice.digest,
        settings=Settings(request.sampling, request.style_strength, request.accent, request.speed, request.language),
        accepted=recorded.output.digest,
        clip=recorded.inputs.clip.digest if recorded.inputs.clip else "",
    )


def described(role: Role, voice: Voice, scene: str, character: str, day: date) -> Role:
    """A role with its voice's digests. Raises Unreproducible where the voice is not that of the accepted sound."""
    if role.voice_digest and role.voice_digest != voice.digest:
        raise Unreproducible(f"voice: {voice.name} is not the one that the accepted sound was spoken in")
    clip = role.clip or (voice.source if voice.source.startswith("sha256:") else "")
    return replace(
        role,
        voice=voice.name,
        voice_digest=voice.digest,
        clip=clip,
        scene=scene or role.scene,
        character=character or role.character,
        day=day,
    )


def collisions(role: Role, others: Iterable[Role]) -> Iterator[str]:
    """What a role shares with others, in words: roles are told apart by their voice and their seed."""
    for other in others:
        if other.name == role.name:
            continue
        seed, voice = other.seed == role.seed, other.voice == role.voice
        if seed and voice and other.settings == role.settings:
            yield f"{other.name} (#{other.number}) has the same voice and seed: both roles will sound the same"
        elif seed:
            yield f"{other.name} (#{other.number}) has seed {role.seed} as well"
        elif voice:
            yield f"{other.name} (#{other.number}) speaks in the voice {role.voice} as well"


def to_markdown(roles: Iterable[Role]) -> str:
    """The log that lies in a project's documents: one table, a row for each role."""
    rows = []
    for role in roles:
        settings = json.dumps(role.settings.to_json(), ensure_ascii=False) if role.settings != Settings() else ""
        cells = [role.number, role.name, role.seed, role.voice, role.scene, role.character, settings]
        cells += [_short(role.accepted), _short(role.clip), role.day or ""]
        rows.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    head = "| " + " | ".join(HEADINGS) + " |"
    text = "# Seeds\n\nWritten by `resay seeds export`; `resay speak TEXT --role ROLE` speaks as a row says.\n"
    return "\n".join([text, head, "|-" * len(HEADINGS) + "|", *rows]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _short(digest: str) -> str:
    """The head of a digest: enough to compare by eye."""
    return digest.removeprefix("sha256:")[:12]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _checked(name: str) -> str:
    plain = _plain(name)
    if not plain or len(plain) > LONGEST_NAME or any(unicodedata.category(letter)[0] == "C" for letter in plain):
        raise BadOption(f"{name!r} cannot name a role: give 1 to {LONGEST_NAME} characters that can be seen")
    if plain.lstrip("#").isdecimal():
        raise BadOption(f"{plain!r} cannot name a role: it would be taken for a seed or a number")
    return plain
