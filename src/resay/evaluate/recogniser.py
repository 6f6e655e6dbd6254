"""Whisper as a judge of words: greedy decoding over ONNX Runtime, deterministic, one sentence at a time.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision" (weights MIT).
Letters in shapes: S samples, M mel bands, T mel frames, N tokens, V vocabulary.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..audio import Audio, AudioFormat, hann, mel_filters
from ..errors import BadAudio, BadOption, BrokenModel
from ..onnx_graph import OnnxGraph

WINDOW_SECONDS = 30.0
_FORMAT = AudioFormat(sample_rate=16_000, hop=160, window=400, mel_bands=80)
# Speech stays below some eight tokens a second; a decoder that loops on noise is stopped at twice that.
_TOKENS_PER_SECOND, _TOKENS_AT_LEAST = 16, 24


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Whisper's front end over its 30 s window: samples at 16 kHz, float32 (S,) -> (M, T), about -1 … 1."""
    count = int(WINDOW_SECONDS * _FORMAT.sample_rate)
    half = _FORMAT.window // 2
    padded = np.pad(np.pad(samples, (0, count - len(samples))), (half, half), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _FORMAT.window)[:: _FORMAT.hop][: count // _FORMAT.hop]
    power = np.abs(np.fft.rfft(windows * hann(_FORMAT.window), axis=-1)).astype(np.float32) ** 2
    mel = np.log10(np.maximum(power @ mel_filters(_FORMAT).T, 1e-10))
    # The network has seen 80 dB below each window's loudest band, shifted and scaled to about one.
    return ((np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0).T.astype(np.float32)


@lru_cache(maxsize=1)
def _byte_of_letter() -> dict[str, int]:
    """GPT-2's printable stand-in for every byte: printable bytes are themselves, the rest move above 255."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def text_of(pieces: list[str]) -> str:
    """Tokens of a byte-level vocabulary as text; a character cut in half becomes U+FFFD."""
    letters = _byte_of_letter()
    return bytes(letters[letter] for piece in pieces for letter in piece).decode("utf-8", errors="replace").strip()


class Recogniser:
    """Whisper from a folder with `encoder_model*.onnx`, `decoder_model_merged*.onnx` and their JSON files."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Raises BrokenModel where a file is missing."""

        def find(pattern: str) -> Path:
            found = sorted(folder.rglob(pattern))
            if not found:
                raise BrokenModel(f"{folder}: no {pattern}; fetch it with `resay evaluate judges --into DIR`")
            return found[0]

        self._encoder = OnnxGraph(find("encoder_model*.onnx"), threads)
        self._decoder = OnnxGraph(find("decoder_model_merged*.onnx"), threads)
        self._config = json.loads(find("generation_config.json").read_text(encoding="utf-8"))
        vocabulary = json.loads(find("vocab.json").read_text(encoding="utf-8"))
        self._pieces = {number: piece for piece, number in vocabulary.items()}
        self._end = int(self._config["eos_token_id"])
        self._caches = [name for name in self._decoder.inputs if name.startswith("past_key_values.")]
        names = json.loads(find("config.json").read_text(encoding="utf-8"))
        self.name = f"{Path(names.get('_name_or_path', 'whisper')).name}, int8"

    def transcribe(self, audio: Audio, language: str) -> str:
        """What is said in `audio` (at most 30 s), as the recogniser writes it. `language` is `zh` or `en`.

        Raises BadAudio for longer sound, BadOption for a language that the recogniser does not know.
        """
        if audio.seconds > WINDOW_SECONDS:
            raise BadAudio(
                f"{audio.seconds:.0f} s of sound; the recogniser hears at most {WINDOW_SECONDS:.0f} s at once"
            )
        token = self._config["lang_to_id"].get(f"<|{language}|>")
        if token is None:
            raise BadOption(f"the recogniser does not know the language {language!r}")
        features = log_mel(audio.resampled(_FORMAT.sample_rate).samples)[None]
        states = self._encoder.run(["last_hidden_state"], input_features=features)["last_hidden_state"]
        prompt = [
            int(self._config["decoder_start_token_id"]),
            int(token),
            int(self._config["task_to_id"]["transcribe"]),
            int(self._config["no_timestamps_token_id"]),
        ]
        limit = _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * audio.seconds)
        return text_of(
            [self._pieces[number] for number in self._decode(states, prompt, limit) if number in self._pieces]
        )

    def _decode(self, states: np.ndarray, prompt: list[int], limit: int) -> list[int]:
        """The likeliest token, one after the other, until the end token."""
        empty = np.zeros((1, 12, 0, 64), np.float32)
        caches = dict.fromkeys(self._caches, empty)
        fed, tokens = np.array([prompt], np.int64), list[int]()
        while len(tokens) < limit:
            result = self._decoder.run(
                None, input_ids=fed, encoder_hidden_states=states, use_cache_branch=np.array([bool(tokens)]), **caches
            )
            logits = result["logits"][0, -1]
            logits[self._config["suppress_tokens"]] = -np.inf
            if not tokens:
                logits[self._config["begin_suppress_tokens"]] = -np.inf
            token = int(logits.argmax())
            if token == self._end:
                break
            for name in self._caches:
                # The sound does not change between steps: its keys and values are those of the first step.
                if not tokens or ".decoder." in name:
                    caches[name] = result[name.replace("past_key_values", "present")]
            tokens.append(token)
            fed = np.array([[token]], np.int64)
        return tokens
