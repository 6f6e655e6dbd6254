"""The vault, and voices in it: sealed, opened by the passphrase only, erased when asked."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from datetime import date

import pytest

from resay import audio, consent, manifest, vault, voices
from resay.errors import BadFile, BadOption
from resay.forgetting import search, traces
from resay.vault import Vault

WORDS = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """The passphrase's stretching is not what is tested."""
    monkeypatch.setattr(vault, "COST", 2**10)


@pytest.fixture
def secrets(tmp_path):
    return Vault.create(tmp_path / "safe", WORDS)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_is_put_in_comes_out(secrets):
    for name, content in [("voice/小明", b"\0" * 1000), ("empty", b""), ("text", "你好".encode())]:
        secrets.put(name, content)
        assert Vault.open(secrets.folder, WORDS).get(name) == content
    assert secrets.names() == ["empty", "text", "voice/小明"]
    secrets.put("text", b"other")
    assert secrets.get("text") == b"other"
    assert len(secrets.names()) == 3


def test_nothing_of_content_or_name_is_readable(secrets):
    secrets.put("voice/Ada", b"twelve bytes" * 50)
    written = b"".join(path.name.encode() + path.read_bytes() for path in files(secrets.folder))
    for told in (b"twelve bytes", b"Ada", WORDS.encode()):
        assert told not in written


def test_equal_contents_do_not_look_equal(secrets):
    secrets.put("one", b"x" * 64)
    first = {path: path.read_bytes() for path in files(secrets.folder)}
    secrets.put("one", b"x" * 64)
    assert sum(path.read_bytes() != content for path, content in first.items()) == 1


def test_wrong_passphrase_opens_nothing(secrets):
    for wrong in ("correct horse battery ", "", WORDS.upper()):
        with pytest.raises(BadOption, match="does not open"):
            Vault.open(secrets.folder, wrong)


def test_passphrase_changes_without_touching_the_items(secrets):
    secrets.put("one", b"content")
    before = [path.read_bytes() for path in secrets.folder.glob("*.sealed")]
    secrets.change("another passphrase")
    assert [path.read_bytes() for path in secrets.folder.glob("*.sealed")] == before
    assert Vault.open(secrets.folder, "another passphrase").get("one") == b"content"
    with pytest.raises(BadOption):
        Vault.open(secrets.folder, WORDS)


def test_short_passphrase_and_second_vault_are_refused(secrets, tmp_path):
    with pytest.raises(BadOption, match="8 characters"):
        Vault.create(tmp_path / "other", "1234567")
    assert not (tmp_path / "other").exists()
    with pytest.raises(BadOption, match="already"):
        Vault.create(secrets.folder, WORDS)


def test_every_flipped_bit_is_noticed(secrets):
    secrets.put("one", b"content")
    (item,) = secrets.folder.glob("*.sealed")
    whole = item.read_bytes()
    for place in range(len(whole)):
        item.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BadFile, match="damaged"):
            secrets.get("one")


def test_items_cannot_be_swapped(secrets):
    secrets.put("one", b"content")
    (one,) = secrets.folder.glob("*.sealed")
    secrets.put("two", b"other content")
    (two,) = set(secrets.folder.glob("*.sealed")) - {one}
    two.write_bytes(one.read_bytes())
    with pytest.raises(BadFile):
        secrets.get("two")


@pytest.mark.parametrize("change", [{"cost": 2**40}, {"cost": 3}, {"cost": "x"}, {"salt": "?"}, {"resay_vault": 9}])
def test_damaged_head_is_refused_in_one_line(secrets, change):
    head = json.loads((secrets.folder / vault.HEAD).read_text())
    (secrets.folder / vault.HEAD).write_text(json.dumps({**head, **change}))
    with pytest.raises(BadFile) as refusal:
        Vault.open(secrets.folder, WORDS)
    assert "\n" not in str(refusal.value)


def test_forgotten_vault_is_gone(secrets):
    secrets.put("one", b"content")
    vault.forget(secrets.folder)
    assert not secrets.folder.exists()
    with pytest.raises(BadFile, match="no vault"):
        vault.forget(secrets.folder)


def test_erasing_overwrites_before_it_unlinks(tmp_path):
    path, link = tmp_path / "secret", tmp_path / "link"
    path.write_bytes(b"content" * 1000)
    link.hardlink_to(path)  # the only way to look at the bytes after the name has gone
    audio.erase(path)
    assert not path.exists()
    assert len(link.read_bytes()) == 7000
    assert b"content" not in link.read_bytes()


# Voices


@pytest.fixture
def safe(run, monkeypatch):
    monkeypatch.setenv("RESAY_PASSPHRASE", WORDS)
    assert run("vault", "create")[0] == 0


def test_locked_voice_speaks_from_the_vault_and_lies_nowhere_else(run, safe, work, library, tmp_path, voice):
    mine = library.get("小明")
    plain = ("speak", "你好。", "--voice", "小明", "-o", "plain.wav")
    assert run(*plain)[0] == 0
    assert run("vault", "lock", "小明")[0] == 0
    assert run(*plain)[0] == 2
    assert run("speak", "你好。", "--voice", "vault:小明", "-o", "sealed.wav")[0] == 0
    assert manifest.read("sealed.json").output.digest == manifest.read("plain.json").output.digest
    for name in ("plain.json", "sealed.json"):
        (work / name).unlink()
    vectors = [trace for trace in traces(mine) if len(trace) == 32]
    assert search([tmp_path / "own", tmp_path / "vault", work], vectors)[1] == ()
    assert json.loads(run("vault", "list", "--json")[1]) == {"items": ["voice/小明"]}
    assert run("vault", "unlock", "小明")[0] == 0
    assert library.get("小明").to_bytes() == mine.to_bytes()
    assert json.loads(run("vault", "list", "--json")[1]) == {"items": []}


def test_vault_needs_its_passphrase(run, safe, monkeypatch):
    monkeypatch.setenv("RESAY_PASSPHRASE", "something else")
    code, _, err = run("speak", "Hi.", "--voice", "vault:Ada", "-o", "out.wav")
    assert (code, "does not open" in err) == (2, True)
    monkeypatch.delenv("RESAY_PASSPHRASE")
    assert "--passphrase-file" in run("vault", "list")[2]


def test_files_go_in_and_out(run, safe, work):
    (work / "notes.txt").write_bytes(b"private")
    (work / "words").write_text(f"{WORDS}\n")
    assert run("vault", "put", "notes.txt", "--passphrase-file", "words")[0] == 0
    assert run("vault", "get", "notes.txt", "-o", "again.txt")[0] == 0
    assert (work / "again.txt").read_bytes() == b"private"
    assert run("vault", "remove", "notes.txt")[0] == 0
    assert run("vault", "get", "notes.txt", "-o", "no.txt")[0] == 2
    assert not (work / "no.txt").exists()
    assert run("vault", "forget")[0] == 2
    assert run("vault", "forget", "--yes")[0] == 0
    assert run("vault", "list")[0] == 2


def test_forgotten_voice_leaves_no_trace(run, work, clip, tmp_path):
    assert run("voice", "add", "Eve", clip, "--consent", "own")[0] == 0
    own = tmp_path / "own"
    mine = voices.load(own / "Eve.voice")
    assert run("speak", "Hi.", "--voice", "Eve", "-o", "out.wav")[0] == 0
    assert run("seeds", "add", "teacher", "--voice", "Eve", "--seed", "88")[0] == 0
    (own / ".Eve.voice.abc").write_bytes(mine.to_bytes())  # a process was killed while it wrote
    places = [own, tmp_path / "consents", tmp_path / "seeds.jsonl", work]
    wanted = traces(mine)
    assert len(search([tmp_path], wanted)[1]) >= 4  # the search finds what is there
    gone = json.loads(run("voice", "remove", "Eve", "--forget", "--search", work, "--json")[1])
    assert gone["roles"] == ["teacher"]
    # The manifest of a sound that was made is its owner's record: told, not deleted.
    assert gone["left"] == [str(work / "out.json")]
    (work / "out.json").unlink()
    assert search([folder for folder in places if folder.is_dir()], wanted)[1] == ()
    assert mine.digest.encode() not in (tmp_path / "seeds.jsonl").read_bytes()


def test_search_looks_into_archives(tmp_path, voice):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("voices/1.voice", voice.to_bytes())
    vectors = [trace for trace in traces(voice) if len(trace) == 32]
    assert search([tmp_path], vectors) == (1, (tmp_path / "all.zip",))


def test_search_finds_what_was_said_in_the_clip(tmp_path, prompted):
    (tmp_path / "prompt").write_bytes(prompted.profile.prompt.table().tobytes())
    assert search([tmp_path], traces(replace(prompted, profile=replace(prompted.profile, prompt=None))))[1] == ()
    assert search([tmp_path], traces(prompted))[1] == (tmp_path / "prompt",)


def test_search_without_forget_is_refused(run, work):
    assert run("voice", "remove", "小明", "--search", work)[0] == 2
    assert run("voice", "show", "小明")[0] == 0


def test_voice_in_memory_is_the_voice_in_the_file(voice):
    again = voices.parse(voice.to_bytes(), "Ada")
    assert again.to_bytes() == voice.to_bytes()
    with pytest.raises(BadFile, match="damaged"):
        voices.parse(voice.to_bytes()[:-1], "Ada")


def test_shipped_voice_is_not_locked_away(run, safe):
    assert run("vault", "lock", "Ada")[0] == 2
    assert run("voice", "show", "Ada")[0] == 0


def test_own_consent_of_a_locked_voice_still_counts(run, safe, library, voice):
    ended = replace(consent.own(), until=date(2020, 1, 1))
    library.add(replace(voice, name="Old", consent=ended))
    assert run("vault", "lock", "Old")[0] == 0
    assert run("speak", "Hi.", "--voice", "vault:Old", "-o", "out.wav")[0] == 3
