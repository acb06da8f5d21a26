"""Redaction: secrets are removed by key and by pattern before anything is written to disk or sent."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from grace_sdk.blocks import hide_flows, hide_lines
from grace_sdk.letters import masked, plain
from grace_sdk.names import introduces_credentials, names_credentials
from grace_sdk.phrases import hide_elements, hide_named, hide_phrases, may_hold_a_phrase

if TYPE_CHECKING:
    from grace_sdk.sighting import Plain

REDACTED: Final = "[redacted]"

# fmt: off
_SECRET_WORDS: Final = frozenset(
    {
        "bearer", "cookie", "cookies", "credentials", "csrf", "cvc", "cvv", "jwt", "passwd", "passwords", "pwd",
        "secret", "secrets", "setcookie", "ssn", "xsrf",
    }
)
_SECRET_AS_KEYS: Final = frozenset({"auth", "iban", "mfa", "otp", "pin", "pw", "sas", "sid", "sig", "signature"})
"""Secrets as the key of a value, but in a sentence (`auth: failed`) more likely plain words."""
_SECRET_PAIRS: Final = frozenset(
    {
        "card number", "credit card", "encryption key", "master key", "secret key", "security code", "session id",
        "session key", "shared key", "signing key", "ssh key", "storage key",
    }
)
_SECRET_PARTS: Final = (
    "accesskey", "accountkey", "apikey", "authorization", "connectionstring", "credential", "passcode", "passphrase",
    "password", "privatekey", "sessionid",
)
# fmt: on
_SECRET_ENDINGS: Final = ("token", "secret", "cookie", "passwd")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_NAME: Final = re.compile(
    r"(?<![\w.$-])(-{0,2}[\w.$][\w.$-]{0,127})((?:\\?[\"'])?\s{0,3}(?:=>|[=:])[^\S\r\n]{0,3}|(?<=\w)\s)"
)
"""A name and what stands between it and its value: `name=`, `"name": `, `--name `."""
_VALUE: Final = re.compile(
    r"\"{3}.*?(?:\"{3}|\Z)|'{3}.*?(?:'{3}|\Z)"
    r"|\\?\"(?:[^\"\\]|\\.)*\"?|\\?'(?:[^'\\]|\\.|'')*'?|[^\s,;&\"'<>(){}\[\]|]+",
    re.DOTALL,
)
_HEADER: Final = re.compile(r"\b(authorization|cookie|set-cookie)(\s*[:=]\s*)[^\r\n'\"]+", re.IGNORECASE)
_SCHEME: Final = re.compile(
    r"\b(bearer|basic|digest|apikey|token)(\s+)(?=[\w.~+/=-]*[0-9+/=_.~-])[\w.~+/=-]{8,}", re.IGNORECASE
)
"""`Bearer 4f2a...`; a plain word after it, as in `token expired`, is no secret."""
_PEM_EDGE: Final = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM: Final = re.compile(rf"-----BEGIN {_PEM_EDGE}.*?(?:-----END {_PEM_EDGE}|\Z)", re.DOTALL)
"""A private key, also one whose end was cut off."""
_USERINFO: Final = re.compile(r"(?<=://)[^\s/?#'\"<>]{1,512}@(?=[^\s@])")
_TOKENS: Final = (
    r"eyJ[\w-]{5,}\.[\w-]{4,}(?:\.[\w-]*)*",  # JWT
    r"A(?:KIA|SIA|ROA|IDA|GPA|NPA|NVA|BIA|CCA)[A-Z0-9]{16}\b",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{16,}",  # GitHub
    r"github_pat_\w{20,}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{16,}",  # GitLab
    r"xox[a-z]-[\w-]{8,}",  # Slack
    r"xapp-[\w-]{8,}",
    r"(?:sk|pk|rk)_(?:live|test)_\w{8,}",  # Stripe
    r"whsec_\w{8,}",
    r"sk-[\w-]{16,}",  # OpenAI, Anthropic
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"AIza[\w-]{30,}",  # Google
    r"ya29\.[\w-]{16,}",
    r"GOCSPX-[\w-]{16,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[\w-]{16,}",
    r"dop_v1_[a-f0-9]{32,}",  # DigitalOcean
    r"hf_[A-Za-z0-9]{20,}",  # Hugging Face
)
_TOKEN: Final = re.compile(rf"\b(?:{'|'.join(_TOKENS)})")

_MARKS: Final = (REDACTED,)

# Most texts hold no secret; these parts, one of which every match contains, tell so twenty times faster.
# fmt: off
_NAME_PARTS: Final = (
    "auth", "basic", "bear", "card", "code", "conn", "cook", "cred", "csrf", "cv", "digest", "hook", "iban", "jwt",
    "key", "mfa", "otp", "pass", "pin", "pw", "sas", "secret", "session", "sid", "sig", "ssn", "token", "xsrf",
)
_TOKEN_PARTS: Final = (
    "eyJ", "KIA", "SIA", "ROA", "IDA", "GPA", "NPA", "NVA", "BIA", "CCA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "github_pat_", "gl", "xox", "xapp-", "_live_", "_test_", "whsec_", "sk-", "SG.", "AIza", "ya29.",
    "GOCSPX-", "npm_", "pypi-", "dop_v1_", "hf_",
)
# fmt: on
_SCHEME_PARTS: Final = ("bearer", "basic", "digest", "apikey", "token")
_DIGITS: Final = re.compile(r"\d{4}[ -]?\d{4}")
_SHORTEST_BARE_SECRET: Final = 13
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:[3-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{1,7}|3[47]\d{2}([ -]?)\d{6}\2\d{5})(?![\w-]|\.\d)"
)
_LONGEST_KNOWN: Final = 64
_CARD_LENGTHS: Final = range(13, 20)


def redact(value: Plain) -> Plain:
    """Return plain data with every secret replaced, at any depth, in keys too."""
    match value:
        case str():
            return redact_text(value)
        case [str() as name, item] if _hides(name, item):
            # A header as a pair: ["Authorization", "..."].
            return [name, REDACTED]
        case list():
            return [redact(item) for item in value]
        case dict():
            return {
                _redact_name(name): REDACTED if _hides(name, item) else redact(item) for name, item in value.items()
            }
        case _:
            return value


def _redact_name(name: str) -> str:
    return _redact_short(name) if len(name) <= _LONGEST_KNOWN else redact_text(name)


def redact_labels(labels: dict[str, str]) -> dict[str, str]:
    return {
        redact_text(name): REDACTED if _hides(name, value) else redact_text(value) for name, value in labels.items()
    }


def redact_text(text: str) -> str:
    """Return a text with every secret replaced that a pattern knows, also one that only an eye sees."""
    redacted = _redact_written(text)
    if redacted.isascii():
        return redacted
    shown = plain(redacted)
    found = _redact_written(shown)
    return redacted if found == shown else masked(redacted, found, REDACTED)


def _redact_written(text: str) -> str:
    if len(text) < _SHORTEST_BARE_SECRET and text.isalnum():
        return text
    if "-----BEGIN" in text:
        text = _PEM.sub(REDACTED, text)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(f"{REDACTED}@", text)
    text = _hide_introduced(text)
    if any(part in text for part in _TOKEN_PARTS):
        text = _TOKEN.sub(REDACTED, text)
    return _CARD.sub(_hide_card, text) if _DIGITS.search(text) else text


@lru_cache(maxsize=4096)
def _redact_short(name: str) -> str:
    """Remember the keys of values: the same few come again and again."""
    return redact_text(name)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a key or header of this name holds a secret; whole words count, so `author` does not."""
    name = plain(name)
    return is_telling_name(name) or not _SECRET_AS_KEYS.isdisjoint(_words(name)) or names_credentials(name)


@lru_cache(maxsize=4096)
def is_telling_name(name: str) -> bool:
    """Tell whether what follows this name even in a sentence is a secret."""
    name = plain(name)
    words = _words(name)
    joined = "".join(words)
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or joined.endswith(_SECRET_ENDINGS)
        or any(part in joined for part in _SECRET_PARTS)
        or any(f"{first} {second}" in _SECRET_PAIRS for first, second in pairwise(words))
        or introduces_credentials(name)
    )


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _hides(name: str, value: Plain) -> bool:
    # A flag or an absence is no secret, and knowing it helps: {"password": null}.
    return value is not None and not isinstance(value, bool) and value != "" and is_secret_name(name)


def _hide_introduced(text: str) -> str:
    """Hide what a header, a scheme or a name says is a secret."""
    lower = text.lower()
    if may_hold_a_phrase(lower):
        text, _ = hide_phrases(text, lower, _MARKS)
    if not any(part in lower for part in _NAME_PARTS):
        return text
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    if any(part in lower for part in _SCHEME_PARTS):
        text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
    text, _ = hide_flows(text, is_telling_name, _MARKS)
    text = _hide_named(text)
    for hide in (hide_elements, hide_named, hide_lines):
        text, _ = hide(text, is_telling_name, _MARKS)
    return text


def _hide_named(text: str) -> str:
    """Hide the values in `name=value`, `name: value`, `"name": "value"` and `--name value`."""
    parts: list[str] = []
    done = 0
    for match in _NAME.finditer(text):
        if match.start() < done or not _introduces_secret(match[1], match[2]):
            continue
        value = _VALUE.match(text, match.end())
        if value is not None:
            parts += (text[done : match.end()], REDACTED)
            done = value.end()
    return "".join((*parts, text[done:]))


def _introduces_secret(name: str, between: str) -> bool:
    if "=" in between:
        return is_secret_name(name)
    return is_telling_name(name) and (":" in between or name.startswith("--"))


def _hide_card(match: re.Match[str]) -> str:
    digits = [int(letter) for letter in match[0] if letter.isdigit()]
    if len(digits) not in _CARD_LENGTHS:
        return match[0]
    doubled = [digit if index % 2 == 0 else sum(divmod(digit * 2, 10)) for index, digit in enumerate(reversed(digits))]
    return REDACTED if sum(doubled) % 10 == 0 else match[0]
