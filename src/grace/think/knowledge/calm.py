"""Calm words: parts of a message that set something, tell of a test that passed, or say that a trouble is not there.

Such parts name faults without reporting one: `timeout set to 30s`, `test_connection_refused ... ok`, `no errors found`.
A fault beside them (`timeout set to 30s exceeded`, `rate limiting enabled: 429`) stands outside of what is returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_TOOK: Final = r"(?:[ \t]*[\[(]?\s*<?[\d.]+ ?(?:ms|s|%)\s*[\])]?)?[ \t]*$"
_PASSED: Final = re.compile(
    rf"^[ \t]*(?:✓|✔|√|--- (?:PASS|SKIP)\b|=== (?:RUN|PAUSE|CONT)\b|\[ +(?:OK|RUN|PASSED) +\]"
    rf"|ok[ \t]+\d+\b|ok[ \t]+\S+\t|(?:PASS(?:ED)?|SKIP(?:PED)?)[: \t]).*$"
    rf"|^.*(?:\.\.\.[ \t]*|[ \t:]|result:? )(?:ok|ignored|PASS(?:ED)?|SKIPPED(?: \([^)]*\))?|XFAIL){_TOOK}"
    r"|^.*\b\d+ (?:passed|examples?|tests?)\b.*$",
    re.MULTILINE | re.IGNORECASE,
)
_DID_NOT_PASS: Final = re.compile(
    r"\bnot ok\b|\b[1-9]\d* (?:failed|failures?|errors?)\b|(?<!0 )\b(?:failed|FAIL|error|exception)\b(?! handling)",
    re.IGNORECASE,
)
_MENDED: Final = re.compile(
    r"^(?:[ \t]*[-*•][ \t]*|[ \t]*\d[\d.]*:[ \t]*)?"
    r"(?:\[?(?:resolved|recovered|cleared|fixed)\]?[: \t]|(?:bug ?)?fix(?:ed|es)?(?:\([\w./-]+\))?(?:[:!]|[ \t]+"
    r"(?:an?|the|some|for|#\d+|issue|bug|crash|rare|possible|potential|deadlock|leak|race|regression|handling)\b)).*$"
    r"|^[ \t]*(?:#{1,4}[ \t]*)?(?:Fixed|Bug ?fixes|Changed|Added)[ \t]*$(?:\n[ \t]*[-*•] .*)+"
    r"|\b(?:recovered from|re-?established after|restored after|reconnected after)\b[^.;\n]*"
    r"|^[^\n]{0,160}\b(?:no longer|(?:is|are|was|were|been) (?:gone|fixed|resolved|cleared|over))\b"
    r"|^[^\n:]{0,80}\b(?:resolved|recovered|cleared):",
    re.MULTILINE | re.IGNORECASE,
)
_NOT_MENDED: Final = re.compile(
    r"\b(?:still|again|but|did not|does not|failed to|window|could not|cannot|exceeded)\b", re.IGNORECASE
)
_TROUBLE: Final = (
    r"(?:problem|issue|error|failure|fault|timeout|crash(?:e)?|deadlock|leak|conflict|warning|violation|incident|alert|"
    r"outage|anomal(?:ie)?|exception|collision|kill|reset|retrie|drop)"
)
_SEEN: Final = r"(?:detected|found|observed|reported|seen|logged|recorded|encountered)"
_FEW: Final = r"(?:[\w-]{1,40}\s+){0,3}?"
_ABSENT: Final = re.compile(
    rf"\b(?:no|zero|0|without(?: any)?)\s+{_FEW}{_TROUBLE}s\b(?:(?:,| or| and|/)\s*[\w-]{{1,40}}){{0,3}}(?:\s+{_SEEN})?"
    rf"|\b(?:no|zero|without(?: any)?)\s+{_FEW}(?:{_TROUBLE}|pressure|contention|corruption|throttling|loss)"
    rf"\s+{_SEEN}\b"
    r"|\b(?:no (?:disk|memory|pid) pressure|no (?:refused|failed|dropped|lost|hung|stuck|blocked|dead|rejected) \w+)\b"
    r"|\bnot (?:yet |been )?(?:expired|exceeded|reached|full|locked|throttled|refused|denied)\b",
    re.IGNORECASE,
)
_MEASURED: Final = re.compile(
    r"\b(?:usage|used|utili[sz]ation|full|memory|swap|disk)\b[\w /]{0,16}[:= ]\s*[1-7]?\d(?:\.\d+)? ?%"
    r"|\b(?:lag|delay|latency|p\d\d|age)\b[\w /]{0,24}[:= ]\s*(?:0(?:\.\d+)? ?(?:m?s|sec\w*)?"
    r"|\d{1,3}(?:\.\d+)? ?(?:ms|us|µs)|\d (?:messages|records|events))(?![\d.])"
    r"|\bexpires? (?:in|after) (?:[3-9]\d|\d{3,}) days\b"
    r"|\b(?:limit|quota)\b[\w ]{0,12} remaining\b\s*[:=]\s*[1-9]\d*"
    r"|^[ \t]*[a-z_][\w:.]*(?:\{[^}\n]*\})? [-+]?\d[\d.]*(?:e[-+]?\d+)?$",
    re.MULTILINE | re.IGNORECASE,
)
_TOO_MUCH: Final = (
    r"(?!\s*(?:\w+ ){0,2}(?:exceed|elapsed|expired|reached|hit\b|passed|are not enough|exhausted|timed out))"
)
_VALUE: Final = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[\w.+%/-]+(?: ?(?:ms|s|m|h|seconds?|minutes?|hours?|bytes|[KMG]i?B))?\b)"
_SUBJECT: Final = (
    r"(?<![\w./\"'&-])(?:(?!(?:with|while|because|after|when|and|but|since|not|due|failed|account|user|login|access)\b)"
    r"[\w./\"'&-]{1,60} ){1,5}"
)
_DONE: Final = r"(?:(?:is|are|was|were|has been|have been) )?(?:now )?"
_NAMES_A_LIMIT: Final = (
    r"(?:timeout|limit|retr(?:y|ies)|threshold|interval|period|ttl|backoff|max|pool|quota|policy|rate|size|wait)"
)
_NUMBER: Final = r"[\w.%/]*(?: ?(?:ms|s|seconds|minutes|attempts|requests))?\b"
_SET: Final = re.compile(
    rf"{_SUBJECT}{_DONE}(?:set|changed|configured|updated|raised|lowered|increased|reduced|adjusted|limited) "
    rf"(?:from {_VALUE} )?(?:to|as|at) (?:be )?{_VALUE}{_TOO_MUCH}"
    rf"|(?<![\w.-])[\w.-]{{0,60}}?{_NAMES_A_LIMIT}[\w.-]{{0,30}}\s*[=:]\s*\[?[\"']?-?\d{_NUMBER}{_TOO_MUCH}"
    rf"|(?<![\w-])(?:[\w-]{{1,60}}[._-])?{_NAMES_A_LIMIT}s?\s+(?:of |is )?\d{_NUMBER}{_TOO_MUCH}",
    re.IGNORECASE,
)
_PAIR: Final = (
    r"[\w.-]{1,80}(?:\s*[=:]\s*(?:\[[^\]\n]*\]|\{[^}\n]*\}|(?![45]\d\d\b|137\b)\d[\w.%]*)"
    r"|\s*=\s*(?:'[^'\n]*'|\"[^\"\n]*\"|(?!true\b|yes\b|[45]\d\d\b|137\b)[^\s=,;:]+))"
)
_PAIRS: Final = re.compile(rf"^[ \t]*{_PAIR}(?:(?:[,;]\s*|\s+){_PAIR})*[,; \t]*$", re.MULTILINE)
_TELLS: Final = re.compile(
    r"(?:^|[\s,;._-])(?:err|errors?|msg|message|reason|level|lvl|severity|status|code|cause|exception|detail|state|result|event|"
    r"kind|type|name|failed|failure|fatal|panic|exit\w*|errno|signal|oserror|\w+(?:Error|Exception|Refused|Denied|Failed|Timeout))\s*[=:]",
    re.IGNORECASE,
)
_BEGUN: Final = (
    r"(?:enabled|enabling|disabled|disabling|registered|registering|initiali[sz](?:ed|ing)|configured|configuring|loaded|"
    r"added|adding|subscribed to|scheduled|scheduling|documented|improved|set up|setting up|setting|set|defined|"
    r"declared|mounted|created|installed)"
)
_LEAD: Final = r"(?:^[ \t]*(?:[-*•#][ \t]*)?|(?<=[:;] )|(?<=\] )|(?<=INFO )|(?<=LOG:  ))"
_ORDERED: Final = re.compile(rf"{_LEAD}{_BEGUN}\s[^\n]*?(?=: |; |, (?!\d)|\. |\n|$)", re.MULTILINE | re.IGNORECASE)
_STATED: Final = re.compile(
    rf"{_SUBJECT}{_DONE}(?:enabled|disabled|initiali[sz]ed|registered|configured|loaded|started|armed)\b"
    r"(?: (?:for|on|in|by|at|as|with) [^,;:\n]*)?(?=[,;:.]|\s*$|\s*\()",
    re.MULTILINE | re.IGNORECASE,
)
_TOOK_EFFECT: Final = re.compile(
    r"\b(?:fail(?:ed|s|ing)?|could not|cannot|can.t|unable|but|exceeded|because|due to|timed out|not|crashed|"
    r"refused by|rejected by|killed|lost|denied (?:to|for|by))\b",
    re.IGNORECASE,
)
_LONGEST: Final = 8192


def denials(text: str) -> tuple[Span, ...]:
    """Return where the text says that a trouble is not there, not any more, or so small that it is none."""
    return (*_spans(_ABSENT, text), *_spans(_MEASURED, text))


def settings_and_results(text: str) -> tuple[Span, ...]:
    """Return where the text sets or begins something, or tells of a test that passed or a fault that was mended."""
    return (
        *_spans(_PASSED, text, _DID_NOT_PASS),
        *_spans(_MENDED, text, _NOT_MENDED),
        *_spans(_SET, text),
        *_spans(_PAIRS, text, _TELLS),
        *_spans(_ORDERED, text, _TOOK_EFFECT),
        *_spans(_STATED, text, _TOOK_EFFECT),
    )


def _spans(kind: re.Pattern[str], text: str, unless: re.Pattern[str] | None = None) -> Iterator[Span]:
    for found in kind.finditer(text[:_LONGEST]):
        if unless is None or not unless.search(found[0]):
            yield found.span()
