"""Secrets in the ways that a text gives them: elements, commands, sentences, addresses, and encoded assignments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Says = Callable[[str], bool]
"""Tells whether what stands under a name is a secret."""
Marks = tuple[str, ...]
"""What stands for a secret, and other marks that are none."""

_WORD: Final = r"(?:\"[^\"\r\n]{1,4096}\"|'[^'\r\n]{1,4096}'|[^\s\"',;|&)\]]{1,4096})"
"""One argument of a command, also one of a printed list."""
_ARGUMENTS: Final = r"\b[\"']?(?=[\s,])[^\r\n|;]{0,512}?[\s,]\[?[\"']?"
_BETWEEN: Final = r"(?:[\"']?,)?\s{1,8}"


@dataclass(frozen=True, slots=True)
class _Phrase:
    hints: tuple[str, ...]
    """The pattern is tried only on texts that hold one of these, in lower case."""
    pattern: re.Pattern[str]
    is_real: Says = lambda _: True


def _has_digit(word: str) -> bool:
    return any(letter.isdecimal() for letter in word)


_PHRASES: Final = (
    # `mysql -pSECRET`: a blank after -p asks for the password, and what follows is the database.
    _Phrase(
        ("mysql", "mariadb"), re.compile(rf"\b(?:mysql|mariadb)[\w-]{{0,16}}{_ARGUMENTS}-p(?P<secret>(?![\s,]){_WORD})")
    ),
    _Phrase(("7z",), re.compile(rf"\b7z[ar]?{_ARGUMENTS}-p(?P<secret>(?![\s,]){_WORD})")),
    _Phrase(
        ("sshpass", "mongo", "docker", "podman"),
        re.compile(
            rf"\b(?:sshpass|mongo(?:sh|dump|restore|import|export)?|(?:docker|podman)\s+login){_ARGUMENTS}"
            rf"-p(?:{_BETWEEN}|=)?(?P<secret>(?!-)[\"']?{_WORD})"
        ),
    ),
    _Phrase(("redis-cli",), re.compile(rf"\bredis-cli{_ARGUMENTS}-a{_BETWEEN}(?P<secret>[\"']?{_WORD})")),
    _Phrase(("ldap",), re.compile(rf"\bldap[a-z]{{3,10}}{_ARGUMENTS}-w(?:{_BETWEEN})?(?P<secret>[\"']?{_WORD})")),
    _Phrase(
        ("sqlcmd", "zip"), re.compile(rf"\b(?:sqlcmd|unzip|zip){_ARGUMENTS}-P(?:{_BETWEEN})?(?P<secret>[\"']?{_WORD})")
    ),
    _Phrase(("pass:",), re.compile(r"\s-pass(?:in|out)?\s{1,8}pass:(?P<secret>[^\s\"']{1,4096})")),
    _Phrase(
        ("curl", "wget"),
        re.compile(
            rf"\b(?:curl|wget){_ARGUMENTS}(?:-[A-Za-z]{{0,8}}[uU](?:{_BETWEEN})?|--(?:proxy-)?user(?:{_BETWEEN}|=))"
            r"[\"']?[^\s:\"']{0,256}:(?P<secret>[^\s\"']{1,4096})"
        ),
    ),
    # `--user 1000:1000` is a user and a group.
    _Phrase(
        ("--user", "--proxy-user"),
        re.compile(
            rf"(?<![\w-])--(?:proxy-)?user(?:{_BETWEEN}|=)[\"']?(?!\d+:\d+\b)[^\s:\"']{{0,256}}:"
            r"(?P<secret>[^\s\"']{1,4096})"
        ),
    ),
    _Phrase(
        ("pass",),
        re.compile(
            r"\b(?:passwords?|passphrases?|passcodes?|passwd)[^\S\r\n]{1,8}(?:for|of|to)[^\S\r\n]{1,8}"
            r"(?:[^\s:=]{1,128}[^\S\r\n]{1,8}){0,4}[^\s:=]{1,128}(?:[^\S\r\n]{0,8}[:=]|[^\S\r\n]{1,8}(?:is|was)[:=]?)"
            r"[^\S\r\n]{1,8}(?P<secret>[^\s\"',;][^\s,;]{0,4095})",
            re.IGNORECASE,
        ),
    ),
    _Phrase(
        ("digest",),
        re.compile(
            r"authorization[\\\"']{0,3}\s{0,8}[:=]\s{0,8}[\\\"']{0,3}digest\s{1,8}(?P<secret>[^\r\n]{1,8192})",
            re.IGNORECASE,
        ),
    ),
    # What is only said to be is as often `required`.
    _Phrase(
        ("pass",),
        re.compile(
            r"\b(?:password|passphrase|passcode|passwd)[^\S\r\n]{1,8}(?:is|was)[^\S\r\n]{1,8}"
            r"(?P<secret>[\"'][^\"'\r\n]{1,256}[\"']|[^\s\"',;]{4,4096})",
            re.IGNORECASE,
        ),
        _has_digit,
    ),
    _Phrase(
        ("hook", "telegram"),
        re.compile(
            r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/"
            r"|\.webhook\.office\.com/|outlook\.office(?:365)?\.com/webhook/|hooks\.zapier\.com/hooks/"
            r"|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/|api\.telegram\.org/bot)"
            r"(?P<secret>[^\s\"'<>?#,;)]{1,1024})",
            re.IGNORECASE,
        ),
    ),
    # A password with a slash in it; a number after the colon is a port.
    _Phrase(
        ("://",),
        re.compile(
            r"://(?P<secret>[^\s/?#@:\[\]\"'<>]{0,256}:(?!\d{1,5}[/?#])[^\s/?#@\"'<>]{0,256}[/?#][^\s@\"'<>]{0,512})@"
            r"(?=[\w\[])"
        ),
    ),
    _Phrase(
        ("value=", "value ="),
        re.compile(
            r"<[\w:.-]{1,64}\s[^<>]{0,256}?\b(?:name|key|id|type)\s{0,4}=\s{0,4}[\"']"
            r"[^\"'<>]{0,128}(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|_pass)[^\"'<>]{0,16}[\"']"
            r"[^<>]{0,256}?\bvalue\s{0,4}=\s{0,4}[\"'](?P<secret>[^\"'<>]{1,4096})",
            re.IGNORECASE,
        ),
    ),
)

_HINTS: Final = tuple(sorted({hint for phrase in _PHRASES for hint in phrase.hints}))

_QUOTE: Final = r"(?:\\{0,8}[\"']|%(?:25){0,2}2[27]|\\{1,4}u002[27]|&(?:quot|apos|#3[49]);)"
_NAMED: Final = re.compile(
    rf"(?<![\w.$-])(?:(?<=%)[0-9A-Fa-f]{{2}}|(?<=\\)u00[0-9a-fA-F]{{2}})?(?P<name>[\w.$-]{{1,128}})"
    rf"(?:{_QUOTE})?[^\S\r\n]{{0,8}}"
    r"(?P<sign>=>|[:=]|%(?:25){0,2}3[adAD]|\\{1,4}u003[adAD])"
    rf"(?:[^\S\r\n]{{0,8}}|%20|\+)(?P<open>{_QUOTE}|)"
)
_WORTH_READING: Final = re.compile(
    r"(?:pass|tokens\w{0,64}|keys?|hooks?\w{0,64})[\"'\]\\]{0,8}\s{0,8}[:=]|%(?:25){0,2}3[ad]|u003[ad]|&(?:quot|apos|#)|\\[\"']"
)
"""The names that `introduces_credentials` adds, in lower case, and what only an encoded assignment has."""
_BARE: Final = re.compile(
    r"(?:[^\s,;&\"'<>(){}\[\]|\\%]|%(?!(?:25){0,2}(?:0[AaDd]|2[02367CcFf]|3[Bb]|7[Dd]))|\\(?!u00|[nrt\"'\\]))+"
)
_QUOTED: Final = {
    '"': re.compile(r"(?:[^\"\\]|\\.)+", re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\.|'')+", re.DOTALL),
}
_BLOCK: Final = re.compile(r"[|>][0-9+-]{0,2}$|!\S*$", re.MULTILINE)
"""What a value over lines begins with: the secret is below it."""

_ELEMENT: Final = re.compile(
    r"(?P<lt><|&lt;)(?P<prefix>[\w.-]{1,64}:)?(?P<tag>[\w.-]{1,128})"
    r"(?P<attributes>\s[^<>&]{0,512})?(?<!/)(?P<gt>>|&gt;)(?:(?<=<key>)(?P<key>[\w .-]{1,128})</key>\s{0,64}<string>)?"
)
_ATTRIBUTE: Final = re.compile(r"\b(?:name|key|id)\s{0,4}=\s{0,4}[\"'](?P<name>[\w.$-]{1,128})[\"']")
_MARGIN: Final = re.compile(r"\s*")
_CUT_OFF: Final = re.compile(r"[^\s<>&\"'(),]+")


def may_hold_a_phrase(folded: str) -> bool:
    """Say whether one of the phrases may be in a text, given in lower case."""
    return any(map(folded.__contains__, _HINTS))


def hide_phrases(text: str, folded: str, marks: Marks) -> tuple[str, int]:
    """Replace what a command, a sentence or an address gives away; `folded` is the text in lower case."""
    found = 0
    begun = tuple(mark[:-1] for mark in marks)

    def replacement(match: re.Match[str]) -> str:
        nonlocal found
        secret = match["secret"]
        if secret.lstrip("\"'").startswith(begun) or begun[0] in secret or not phrase.is_real(secret):
            return match[0]
        found += 1
        start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
        return match[0][:start] + marks[0] + match[0][end:]

    for phrase in _PHRASES:
        if any(map(folded.__contains__, phrase.hints)):
            text = phrase.pattern.sub(replacement, text)
    return text, found


def hide_named(text: str, says_secret: Says, marks: Marks) -> tuple[str, int]:
    """Replace the value of an assignment, also of one that is written for a URL, a page or another text."""
    if _WORTH_READING.search(text.lower()) is None:
        return text, 0
    parts: list[str] = []
    done = found = 0
    for match in _NAMED.finditer(text):
        start = match.end()
        if match.start() < done or text.startswith(marks, start) or not says_secret(match["name"]):
            continue
        end = _end_of_value(text, start, match["open"])
        if end <= start or _BLOCK.match(text, start) is not None:
            continue
        parts += (text[done:start], marks[0])
        done, found = end, found + 1
    return "".join((*parts, text[done:])), found


def _end_of_value(text: str, start: int, opening: str) -> int:
    if opening in _QUOTED:
        quoted = _QUOTED[opening].match(text, start)
        return start if quoted is None else quoted.end()
    end = text.find(opening, start) if opening else -1
    if end >= 0:
        return end
    bare = _BARE.match(text, start)
    return start if bare is None else bare.end()


def hide_elements(text: str, says_secret: Says, marks: Marks) -> tuple[str, int]:
    """Replace what is in an element whose tag, or whose name, is that of a secret; up to its end, or to the next."""
    if "<" not in text and "&lt;" not in text:
        return text, 0
    parts: list[str] = []
    done = found = 0
    unclosed: set[str] = set()
    for match in _ELEMENT.finditer(text):
        if match.start() < done or not _is_secret_element(match, says_secret):
            continue
        start, end = _content(text, match, unclosed)
        if start >= end or text[start:end] in marks:
            continue
        parts += (text[done:start], marks[0])
        done, found = end, found + 1
    return "".join((*parts, text[done:])), found


def _is_secret_element(match: re.Match[str], says_secret: Says) -> bool:
    if says_secret(match["tag"]):
        return True
    if match["key"]:
        return says_secret(match["key"])
    named = _ATTRIBUTE.search(match["attributes"] or "")
    return named is not None and says_secret(named["name"])


def _content(text: str, match: re.Match[str], unclosed: set[str]) -> tuple[int, int]:
    """Return where the content of an element begins and ends, without the blanks around it."""
    margin = _MARGIN.match(text, match.end())
    start = match.end() if margin is None else margin.end()
    closing = f"{match['lt']}/{match['prefix'] or ''}{match['tag']}{match['gt']}" if not match["key"] else "</string>"
    end = -1 if closing in unclosed else text.find(closing, start)
    if end < 0:
        # `<token> FILE` explains a command; what was cut off goes on at once.
        unclosed.add(closing)
        cut_off = _CUT_OFF.match(text, match.end())
        return match.end(), match.end() if cut_off is None else cut_off.end()
    return start, start + len(text[start:end].rstrip())
