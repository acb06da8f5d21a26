"""What secrets are called, and what they look like in a text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from grace.kit.secret_letters import plain
from grace.kit.secret_names import counts_tokens, introduces_credentials, names_credentials
from grace.kit.secret_phrases import may_hold_a_phrase

MARK: Final = "[redacted]"
CUT: Final = "[cut]"
"""Stands where a text was shortened."""

_NAME_PARTS: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "privatekey",
    "accesskey",
    "authorization",
    "cookie",
    "credential",
    "cardnumber",
    "connectionstring",
    "sessionid",
    "signature",
)
_NAME_ENDS: Final = ("token", "pwd", "auth", "jwt", "csrf", "xsrf", "otp")
_NAMES: Final = frozenset(
    {"pass", "pin", "cvv", "cvc", "ssn", "sid", "sas", "sig", "bearer", "signingkey", "encryptionkey"}
)
_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4_096)
def names_a_secret(name: str) -> bool:
    """Say whether what stands under this name is to be kept silent: `DB_PASSWORD`, `accessToken`, `Set-Cookie`."""
    shown = plain(name)
    letters = _NOT_LETTERS.sub("", shown.lower())
    return (
        letters in _NAMES
        or letters.endswith(_NAME_ENDS)
        or any(part in letters for part in _NAME_PARTS)
        or names_credentials(shown)
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern for one kind of secret. The group `secret` is replaced, the rest of the match stays."""

    name: str
    hints: tuple[str, ...]
    """The pattern is tried only on texts that hold one of these, in lower case; with none, always."""
    pattern: re.Pattern[str]
    is_real: Callable[[str], bool] = lambda _: True

    def may_be_in(self, folded: str) -> bool:
        """Say whether a text, given in lower case, is worth the search."""
        return not self.hints or any(hint in folded for hint in self.hints)

    def redact(self, text: str) -> tuple[str, int]:
        """Return the text without this kind of secret, and how many there were."""
        found = 0

        def replacement(match: re.Match[str]) -> str:
            nonlocal found
            secret = match["secret"]
            if secret.startswith(MARK[:-1]) or secret == CUT or not self.is_real(secret):
                return match[0]
            found += 1
            start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
            return match[0][:start] + MARK + match[0][end:]

        return self.pattern.sub(replacement, text), found


def passes_luhn(digits: str) -> bool:
    """Say whether the digits of a text have the check digit that payment cards have (ISO/IEC 7812-1)."""
    numbers = [int(digit) for digit in reversed(digits) if digit.isdecimal()]
    doubled = sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])
    return (sum(numbers[0::2]) + doubled) % 10 == 0


def _looks_random(word: str) -> bool:
    return len(word) >= _LONG_WORD or any(letter in "0123456789=+/" for letter in word)


_LONG_WORD: Final = 24

_NAME_HINTS: Final = ("passw", "pwd", "passphrase", "secret", "key", "token", "credential", "cookie", "session")
_NAME_IN_TEXT: Final = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|token(?!s|i[sz]|[_-]?(?:count|type|limit|usage|budget|size|length|expir))|credentials?"
    r"|set-cookie|cookie|session[_-]?id)"
)
_NAME_REST: Final = r"(?:[_-]?[A-Za-z0-9]{1,16}){0,2}"
_WHOLE_NAME: Final = re.compile(rf"{_NAME_IN_TEXT}{_NAME_REST}$", re.IGNORECASE)
_BLOCK_BEGINS: Final = re.compile(r"[|>][0-9+-]{0,2}")


@lru_cache(maxsize=4_096)
def introduces_a_secret(name: str) -> bool:
    """Say whether what a text writes under this name is a secret; narrower than for the key of a value."""
    return introduces_credentials(name) or (_WHOLE_NAME.search(name) is not None and not counts_tokens(name))


def _is_value(word: str) -> bool:
    """Say no to the mark that a block scalar begins with: the secret is below it."""
    return _BLOCK_BEGINS.fullmatch(word) is None


SHAPES: Final[tuple[Shape, ...]] = (
    Shape(
        "private key",
        ("private key-----", "private key block-----"),
        # Without its end it reaches to the end of the text: half a key is a key too.
        re.compile(
            r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z))",
            re.DOTALL,
        ),
    ),
    Shape(
        "user part of a URL",
        ("://",),
        # The whole of it: a lone user part is often a token.
        re.compile(r"://(?P<secret>[^\s/?#\"'<>]{1,512})@(?=[^\s@])"),
    ),
    Shape(
        "authorization header",
        ("authorization",),
        re.compile(
            r"authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:(?:bearer|basic|digest|token|negotiate)\s{1,8})?"
            r"(?P<secret>[^\s\"',;]{1,4096})",
            re.IGNORECASE,
        ),
    ),
    Shape(
        "credentials after their scheme",
        ("bearer", "basic", "digest"),
        re.compile(r"\b(?:bearer|basic|digest)\s{1,8}(?P<secret>[A-Za-z0-9._~+/=-]{8,4096})", re.IGNORECASE),
        _looks_random,
    ),
    Shape(
        "JSON web token",
        ("eyj",),
        re.compile(r"\b(?P<secret>eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?)"),
    ),
    Shape(
        "cloud access key",
        ("akia", "asia", "agpa", "aida", "aroa", "anpa", "aiza"),
        re.compile(r"\b(?P<secret>(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35})\b"),
    ),
    Shape(
        "token of a known issuer",
        (
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "xox",
            "sk_",
            "rk_",
            "sk-",
            "sg.",
            "npm_",
            "pypi-",
            "grace_",
            "ses_",
        ),
        re.compile(
            r"\b(?P<secret>(?:grace|ses)_[A-Za-z0-9_-]{43}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}"
            r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|sk-[A-Za-z0-9_-]{20,}"
            r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,})"
        ),
    ),
    Shape(
        "cookie header",
        ("cookie",),
        re.compile(r"cookie[\"']?\s{0,8}:\s{0,8}(?P<secret>[^\s\"'][^\r\n\"']{0,8191})", re.IGNORECASE),
    ),
    Shape(
        "value of a secret name",
        _NAME_HINTS,
        re.compile(
            rf"{_NAME_IN_TEXT}{_NAME_REST}[\\\"'\]]{{0,3}}\s{{0,8}}(?:=>|[:=])[^\S\r\n]{{0,8}}"
            r"(?:(?P<triple>\"{3}|'{3})|\\\"(?P<inner>)|\\'(?P<inner_single>)|\"(?P<double>)|'(?P<single>)|)"
            r"(?P<secret>(?(triple).+?(?=(?P=triple)|\Z)|(?(inner)[^\"\\]+|(?(inner_single)[^'\\]+"
            r"|(?(double)(?:[^\"\\]+|\\.)+|(?(single)(?:[^'\\]+|\\.|'')+|[^\s,;&\"'<>(){}\\]+))))))",
            re.IGNORECASE | re.DOTALL,
        ),
        _is_value,
    ),
    Shape(
        "secret on a command line",
        _NAME_HINTS,
        re.compile(
            rf"(?<![\w-])--?[A-Za-z-]{{0,32}}{_NAME_IN_TEXT}\s{{1,8}}(?P<secret>[^\s-][^\s]{{0,4096}})", re.IGNORECASE
        ),
    ),
    Shape(
        "payment card",
        tuple("23456"),
        re.compile(
            r"(?<![\w.-])(?P<secret>(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6011|65\d{2}|64[4-9]\d|35\d{2}|3[47]\d{2}|3[0689]\d{2})"
            r"(?:[ -]?\d){8,15})(?![\w-]|\.\d)"
        ),
        passes_luhn,
    ),
)

_HINTS: Final = re.compile(
    "|".join(sorted({re.escape(hint) for shape in SHAPES for hint in shape.hints if not hint.isdecimal()}))
)
_CARD_DIGITS: Final = re.compile(r"\d(?:[ -]?\d){11}")


def may_hold_a_secret(folded: str) -> bool:
    """Say whether any of SHAPES may be in a text, given in lower case: one search instead of one for each."""
    return _HINTS.search(folded) is not None or may_hold_a_phrase(folded) or _CARD_DIGITS.search(folded) is not None


EMAIL: Final = Shape(
    "email address",
    ("@",),
    re.compile(r"(?P<secret>[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"),
)
