"""Writing: the proposal as a `grace.yaml` whose comments say where each line was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from grace.kit.redaction import redact_text
from grace.sense.discovery.findings import ErrorRate, FoundService, Survey, Traced, Unseen
from grace.sense.discovery.naming import printable

_PLAIN: Final = re.compile(r"(?:[A-Za-z]|/[A-Za-z0-9_])[A-Za-z0-9/_.+-]*")
_NOT_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
_HEAD: Final = """\
# Proposed by `grace init`, which only looked. Read it, correct it, keep it: docs/services.md says what each key means.
# Every comment says where the line below or before it was found. Nothing is acted upon in the mode `observe`.
format: 1
environment: production    # a guess: a machine does not say what it is for; senders name the same (GRACE_DSN)
defaults:
  owner: nobody            # who is asked and told: write your team's name
  mode: observe            # plan and decide, touch nothing
services:
"""


def write_proposal(found: Survey) -> str:
    """Return the text of a `grace.yaml` that proposes the services found; there has to be at least one."""
    services = "\n".join("\n".join(_service(one)) for one in found.services)
    return f"{_HEAD}{services}\n{''.join(_unseen(found.unseen))}"


def _service(one: FoundService) -> Iterator[str]:
    yield _comment(2, one.source)
    yield f"  - name: {scalar(one.name)}"
    if one.pid_file:
        yield f"    pid_file: {scalar(one.pid_file.value)}{_found(one.pid_file)}"
    yield from _labels(one)
    yield from _targets(one)
    yield from _list("evidence", one.logs)
    if one.error_rate:
        yield from _indicator(one.error_rate)
    if one.health:
        yield "    benchmarks:"
        yield f"      smoke: {{probe: http.latency_ms, with: {{url: {scalar(one.health.value)}}}}}{_found(one.health)}"
    yield from _list("depends_on", one.depends_on)
    yield from (_comment(4, note) for note in one.notes)


def _labels(one: FoundService) -> Iterator[str]:
    lines = [f"address: {scalar(one.address.value)}{_found(one.address)}"] if one.address else []
    match one.databases:
        case (database,):
            lines.append(f"engine: sqlite{_found(database)}")
            lines.append(f"database: {scalar(database.value)}    # playbooks for a locked database look here")
        case (_, _, *_):
            lines.append("engine: sqlite    # several databases: senders say which (the label `database`)")
        case _:
            pass
    if lines:
        yield "    labels:"
        yield from (f"      {line}" for line in lines)


def _targets(one: FoundService) -> Iterator[str]:
    if one.databases:
        yield "    targets:    # what plans may write, once you leave `observe`"
        yield from (f"      - {{kind: sqlite, id: {scalar(db.value)}}}{_found(db)}" for db in one.databases)
    if one.configurations:
        yield _comment(4, "Configuration that plans may change too, if you add it to `targets`:")
        yield from (
            _comment(6, f"- {{kind: file, id: {scalar(file.value)}}}    {file.source}") for file in one.configurations
        )


def _indicator(rate: ErrorRate) -> Iterator[str]:
    failed = f', labels: {{{rate.label}: "=~5.."}}' if rate.label else ""
    yield "    indicators:"
    yield _comment(6, rate.source)
    yield "      error_rate:"
    yield "        probe: metrics.ratio"
    yield "        with:"
    yield f"          url: {scalar(rate.url)}"
    yield f"          numerator: {{name: {scalar(rate.numerator)}{failed}}}"
    yield f"          denominator: {{name: {scalar(rate.denominator)}}}"
    yield "          absent_numerator: zero    # counters of failures begin with the first one"


def _list(key: str, items: Sequence[Traced]) -> Iterator[str]:
    if items:
        yield f"    {key}:"
        yield from (f"      - {scalar(one.value)}{_found(one)}" for one in items)


def _unseen(unseen: Iterable[Unseen]) -> Iterator[str]:
    told = [f"{one.what}: {one.why}. {one.next}".strip() for one in unseen]
    if told:
        yield "\n# Could not be looked at, so it is unknown and not absent:\n"
        yield from (f"{_comment(0, one)}\n" for one in told)


def scalar(text: str) -> str:
    """Write a text so that YAML reads exactly this text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}"


def _found(traced: Traced) -> str:
    return f"    # {_harmless(traced.source)}"


def _comment(indent: int, text: str) -> str:
    return f"{' ' * indent}# {_harmless(text)}"


def _harmless(text: str) -> str:
    return printable(redact_text(text))
