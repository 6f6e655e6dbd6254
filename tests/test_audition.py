"""Auditions: several takes, one variable, one page that needs nothing else."""

from __future__ import annotations

import html.parser
import json
import re

import pytest

from resay import audition, manifest
from resay.errors import BadOption
from resay.synthesis import Request


def refused(result, code=2):
    assert result[0] == code, result
    return result[2].splitlines()[-1]


@pytest.mark.parametrize("variable", ["seed", "sampling", "style-strength", "punctuation"])
def test_exactly_one_variable_differs(variable):
    request = Request("你好，世界，再见。")
    found = audition.variants(request, variable, [])
    assert len(found) >= 3
    fields = {"style-strength": "style_strength", "punctuation": "text"}
    changed = {
        name for variant in found for name, value in vars(variant.request).items() if value != getattr(request, name)
    }
    assert changed == {fields.get(variable, variable)}
    assert len({variant.label for variant in found}) == len(found)


def test_punctuation_moves_signs_and_no_word():
    texts = audition.punctuations("你好，世界、再见！It's well-known, 3 people.")
    assert texts[1:] == ["你好。世界，再见！It's well-known. 3 people.", "你好世界再见It's well-known 3 people."]
    with pytest.raises(BadOption, match="other words"):
        audition.variants(Request("你好，世界。"), "punctuation", ["你好，世界。", "你好，时间。"])
    with pytest.raises(BadOption, match="no sign"):
        audition.variants(Request("你好"), "punctuation", [])


@pytest.mark.parametrize(
    ("variable", "values"),
    [("speed", []), ("sampling", ["beam"]), ("style-strength", ["9"]), ("style-strength", ["x"]), ("voice", [])],
)
def test_bad_values_are_refused(variable, values):
    with pytest.raises(BadOption):
        audition.variants(Request("你好。"), variable, values)


class Page(html.parser.HTMLParser):
    """Counts elements and collects what a page refers to."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href")]


def test_page_holds_everything(run, work):
    code, out, err = run(
        "audition", "你好，</script>世界。", "--voice", "小明", "--seeds", "42,100,999", "-o", "au", "--json"
    )
    assert (code, err) == (0, "")
    assert [take["label"] for take in json.loads(out)["takes"]] == ["42", "100", "999"]
    content = (work / "au" / "index.html").read_text(encoding="utf-8")
    page = Page(content)
    assert page.tags.count("audio") == page.tags.count("svg") == 3
    assert all(reference.startswith("data:audio/wav;base64,") for reference in page.references)
    assert page.tags.count("script") == 1
    assert "http" not in content.replace("http://www.w3.org/2000/svg", "")
    assert sorted(path.name for path in (work / "au").glob("*.json")) == ["100.json", "42.json", "999.json"]


def test_pictures_of_all_takes_share_their_scales(run, work):
    run("audition", "你好，世界。", "--voice", "小明", "--seeds", "42,100,999", "-o", "au")
    content = (work / "au" / "index.html").read_text(encoding="utf-8")
    pictures = re.findall("<svg.*?</svg>", content, flags=re.DOTALL)
    scales = {tuple(re.findall(r'fill="#(?:555|888)">([^<]+)<', picture)) for picture in pictures}
    assert len(pictures) == 3
    assert len(scales) == 1
    assert '<meta name="viewport"' in content


def test_take_of_an_audition_is_the_sound_spoken_alone(run, work):
    run("audition", "Hi.", "--voice", "Ada", "--seeds", "7", "-o", "au")
    run("speak", "Hi.", "--voice", "Ada", "--seed", "7", "-o", "alone.wav")
    assert (work / "au" / "7.wav").read_bytes() == (work / "alone.wav").read_bytes()


def test_chosen_take_becomes_a_role(run, work):
    run("audition", "你好。", "--voice", "小明", "--seeds", "42,100", "-o", "au")
    assert run("audition", "--choose", "100", "--name", "故事", "--scene", "儿童", "-o", "au")[0] == 0
    assert run("speak", "你好。", "--role", "故事", "-o", "out.wav")[0] == 0
    assert manifest.read("out.json").output.digest == manifest.read("au/100.json").output.digest
    assert "there are: 100, 42" in refused(run("audition", "--choose", "7", "--name", "x", "-o", "au"))
    assert "--name" in refused(run("audition", "--choose", "100", "-o", "au"))


def test_voices_are_compared(run, work):
    assert run("audition", "Hi.", "--vary", "voice", "--values", "Ada,小明", "-o", "au")[0] == 0
    assert [manifest.read(f"au/{name}.json").voice.name for name in ("Ada", "小明")] == ["Ada", "小明"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--vary", "voice", "--vary", "seed", "--voice", "Ada"], "changes one thing"),
        (["--vary", "sampling", "--seeds", "1,2", "--voice", "Ada"], "changes one thing"),
        (["--vary", "sampling", "--sampling", "topk", "--voice", "Ada"], "is what varies"),
        (["--vary", "voice", "--values", "Ada", "--voice", "Ada"], "is what varies"),
        (["--seed", "1", "--voice", "Ada"], "is what varies"),
        (["--vary", "speed", "--voice", "Ada"], "--vary must be one of"),
        (["--seeds", "1,x", "--voice", "Ada"], "--seed must be"),
        ([], "--voice"),
    ],
)
def test_two_variables_are_refused(run, work, arguments, problem):
    assert problem in refused(run("audition", "你好，世界。", "-o", "au", *arguments))
    assert list(work.iterdir()) == []
