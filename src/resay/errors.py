"""What resay raises on purpose, and the exit code and HTTP status of each.

ResayError                                        exit 1   HTTP 500
├── BadRequest      the caller can fix it         exit 2   HTTP 422
│   ├── BadText
│   ├── BadAudio
│   ├── BadLexicon
│   ├── BadOption
│   ├── UnknownVoice
│   └── BadFile
├── ConsentMissing  nobody may make this sound    exit 3   HTTP 403
├── Unreproducible  it does not replay            exit 4   HTTP 409
└── BrokenModel     weights do not load           exit 2   HTTP 500
"""


class ResayError(Exception):
    """Base of everything that resay raises on purpose. The message is one line that says what to do."""

    exit_code = 1
    http_status = 500


class BadRequest(ResayError):
    """The caller can fix it."""

    exit_code = 2
    http_status = 422


class BadText(BadRequest):
    """Nothing in the text can be spoken, or its markup is broken."""


class BadAudio(BadRequest):
    """A clip cannot be read or is no use as a reference."""


class BadLexicon(BadRequest):
    """A lexicon line is wrong; the message names line and column."""


class BadOption(BadRequest):
    """An option is outside what it may be."""


class UnknownVoice(BadRequest):
    """No voice of this name, and no clip at this path."""


class BadFile(BadRequest):
    """A file cannot be read, is not what it should be, or cannot be written."""


class ConsentMissing(ResayError):
    """The speaker has not agreed to this use, or not any more."""

    exit_code = 3
    http_status = 403


class Unreproducible(ResayError):
    """What was made again differs from what the manifest promises."""

    exit_code = 4
    http_status = 409


class BrokenModel(ResayError):
    """A weights file is missing, damaged, or of another version."""

    exit_code = 2
