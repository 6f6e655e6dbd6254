"""Listen and choose: several takes that differ in one thing, on one page that needs nothing else.

The page holds the sounds themselves, their waveforms and pitch curves, and a form that turns the choice into the
command line which saves it. It talks to nobody, so it can be sent to whoever decides.
"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from . import audio, pictures
from .audio import SAMPLE_RATES, Audio
from .compare import drawn
from .errors import BadOption
from .manifest import Manifest
from .pictures import Drawn
from .synthesis import Request

VARIABLES = ("seed", "sampling", "voice", "style-strength", "sample-rate", "punctuation")
DEFAULTS = {
    "seed": ("42", "100", "999"),
    "sampling": ("ras", "topk", "greedy"),
    "style-strength": ("0", "0.5", "1", "1.5"),
    "sample-rate": tuple(map(str, SAMPLE_RATES)),
}
STOPS = {"，": "。", "、": "，", ",": ".", ";": ".", "；": "。"}
"""Stronger signs for weaker ones."""
MOST = 50
"""Takes on one page: nobody compares more."""


@dataclass(frozen=True)
class Variant:
    """One take of an audition, before it is spoken."""

    label: str
    """What a file can be called: the value that sets it apart."""
    shown: str
    """What a person reads."""
    request: Request
    voice: str | None = None
    """Another voice than the audition's, where voices are compared."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """One take of an audition, spoken."""

    variant: Variant
    manifest: Manifest
    sound: Audio
    manifest_path: str
    """Where its manifest lies, as a command line finds it."""


def variants(request: Request, variable: str, values: Sequence[str]) -> list[Variant]:
    """Requests that differ in one variable only. Raises BadOption for values that are none, or too few of them."""
    values = list(dict.fromkeys(values or DEFAULTS.get(variable, ())))
    if variable == "punctuation":
        texts = values or punctuations(request.text)
        return _punctuation(request, texts)
    if variable not in VARIABLES:
        raise BadOption(f"an audition varies one of {', '.join(VARIABLES)}, not {variable!r}")
    if variable == "voice" and not values:
        raise BadOption("name the voices to compare: --values NAME,NAME")
    if len(values) > MOST:
        raise BadOption(f"{len(values)} takes are more than anybody compares; give {MOST} at most")
    if variable == "voice":
        return [Variant(_file_name(value), value, request, value) for value in values]
    changed: dict[str, Callable[[str], Request]] = {
        "seed": lambda value: replace(request, seed=int(value)),
        "sampling": lambda value: replace(request, sampling=replace(request.sampling, method=value)),
        "style-strength": lambda value: replace(request, style_strength=float(value)),
        "sample-rate": lambda value: replace(request, sample_rate=int(value)),
    }
    try:
        return [Variant(_file_name(value), f"{variable} {value}", changed[variable](value)) for value in values]
    except ValueError as error:
        raise BadOption(f"--values of {variable}: {error}") from error


def punctuations(text: str) -> list[str]:
    """A text as it is, with full stops for its commas, and without any sign inside."""
    stops = "".join(STOPS.get(character, character) for character in text)
    end = text[len(text.rstrip("，。、；：！？,.;:!?… \n")) :]
    body = text.removesuffix(end)
    bare = "".join(character for character in body if unicodedata.category(character)[0] != "P" or character in "'-")
    return list(dict.fromkeys([text, stops, bare + end]))


def _punctuation(request: Request, texts: Sequence[str]) -> list[Variant]:
    if len(texts) < 2:
        raise BadOption("the text has no sign to vary; give --values TEXT several times")
    for text in texts:
        if _words(text) != _words(request.text):
            raise BadOption(f"--vary punctuation changes signs only, and {text[:40]!r} has other words")
    return [
        Variant(f"punctuation-{number}", text, replace(request, text=text))
        for number, text in enumerate(texts, start=1)
    ]


def _words(text: str) -> str:
    """A text without signs and spaces."""
    return "".join(character for character in text if unicodedata.category(character)[0] in "LNM").casefold()


def _file_name(value: str) -> str:
    plain = "".join(character if character.isalnum() or character in ".-_" else "-" for character in value)
    return plain.strip(".-")[-60:] or "take"


def page(title: str, takes: Sequence[Spoken], variable: str) -> str:
    """The whole page as HTML: no server, no network, nothing beside it."""
    shown = [drawn("", take.sound) for take in takes]
    cards = "".join(_card(number, take, shown) for number, take in enumerate(takes))
    head = f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    lead = f"<h1>{html.escape(title)}</h1><p>Only the {html.escape(variable)} differs. 只有一个变量不同。</p>"
    # "</" would end the script element wherever it stands.
    paths = json.dumps([take.manifest_path for take in takes], ensure_ascii=False).replace("</", "<\\/")
    script = f"const manifests = {paths};\n{_SCRIPT}"
    body = f"{lead}<form id=choice>{cards}{_FORM}</form><script>{script}</script>"
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}</head><body>{body}</body></html>\n'


def _card(number: int, take: Spoken, shown: Sequence[Drawn]) -> str:
    made = take.manifest
    sound = base64.b64encode(audio.encode(take.sound, "wav")).decode()
    seed = f"seed {made.request.seed}"
    facts = "" if take.variant.shown == seed else f"{seed} · "
    facts += f"{made.voice.name} · {made.output.seconds:.2f} s · {made.output.digest[7:19]}"
    picture = pictures.picture([shown[number]], shown)
    checked = " checked" if number == 0 else ""
    return (
        f"<section><label><input type=radio name=take value={number}{checked}> "
        f"<strong>{html.escape(take.variant.shown)}</strong></label> <small>{html.escape(facts)}</small>"
        f'<audio controls preload=auto src="data:audio/wav;base64,{sound}"></audio>'
        f"<div class=picture>{picture}</div></section>"
    )


_STYLE = """
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: clamp(1.3rem, 4vw, 2rem); overflow-wrap: anywhere } small { color: #555; overflow-wrap: anywhere }
section { border: 1px solid #ccc; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
section:has(:checked) { border-color: #1f5fbf; box-shadow: 0 0 0 2px #1f5fbf55 }
audio { width: 100%; margin-top: .5rem } .picture { overflow-x: auto }
svg { width: 100%; min-width: 36rem; height: auto } fieldset { border: 0; padding: 0 }
fieldset label { display: block; margin: .5rem 0 } fieldset input { width: 100%; font: inherit; padding: .4rem }
button { font: inherit; padding: .4rem .8rem }
@media (max-width: 40rem) { body { margin: 1rem auto } section { padding: .75rem } }
code { display: block; background: #f3f3f3; padding: .75rem; white-space: pre-wrap; user-select: all }
"""

_FORM = (
    "<fieldset><h2>Keep the chosen one · 保存所选</h2>"
    "<label>Role · 角色 <input name=role required></label>"
    "<label>Scene · 场景 <input name=scene></label>"
    "<label>Heard · 听感 <input name=character></label></fieldset>"
    "<p>Run this to write it to the seed library · 运行以下命令写入种子库:</p>"
    "<code id=command></code><p><button type=button id=copy>Copy · 复制</button></p>"
)

_SCRIPT = """
const form = document.getElementById('choice');
const quoted = text => "'" + text.replaceAll("'", "'\\\\''") + "'";
function told() {
  const chosen = new FormData(form);
  const words = ['resay seeds add', quoted(chosen.get('role') || 'ROLE')];
  words.push('--from', quoted(manifests[chosen.get('take')]));
  for (const name of ['scene', 'character'])
    if (chosen.get(name)) words.push('--' + name, quoted(chosen.get(name)));
  document.getElementById('command').textContent = words.join(' ');
}
form.addEventListener('input', told);
form.addEventListener('submit', event => event.preventDefault());
document.getElementById('copy').addEventListener('click', () =>
  navigator.clipboard.writeText(document.getElementById('command').textContent));
// One at a time: two voices together cannot be compared.
document.addEventListener('play', event => {
  for (const player of document.querySelectorAll('audio')) if (player !== event.target) player.pause();
}, true);
told();
"""
