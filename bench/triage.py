"""How well the sentinel tells causes from messages: `make bench-triage`.

Every method answers the same messages in one run: the sentinel as it ships, plain keyword rules, and TF-IDF with
logistic regression. The last one learns by cross-validation from the other messages of the set and from every example
in the packs. The sentinel learns nothing from the set: its rules are for kinds of fault.

    python -m bench.triage [FILE...]     sets of messages, a JSON object a line; without any, what lies beside the tree
    python -m bench.triage --calibrate   fit the calibration that ships to the messages in the packs
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench.triage_peers import Peer, keywords, tf_idf
from grace.model.cause import kind_of
from grace.think.knowledge.loading import Knowledge, load_knowledge
from grace.think.knowledge.matching import Match, match, scene_of_sample
from grace.think.knowledge.wording import Wording, wording_of
from grace.think.knowledge.words import fit
from grace.think.sentinel.calibrating import FILE, fit_calibration, shipped
from grace.think.sentinel.diagnosing import THRESHOLD
from grace.think.sentinel.weighing import Weighed, balance, weigh

ROOT: Final = Path(__file__).resolve().parents[1]
TRIAGE: Final = ROOT.parent / "shared" / "data" / "triage" / "dev.jsonl"
HELD_OUT: Final = ROOT / "tests" / "think" / "sentinel" / "held_out.jsonl"
FOLDS: Final = 5
BINS: Final = 5
OTHER: Final = "other"
LEARNS_NOTHING: Final = (
    "The rules of the sentinel and the keywords learn nothing from these messages, so nothing is cross-validated.\n"
    "CV concerns the learner beside them alone: a model that learned from the other messages answers each one."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One message with the answers that count as right."""

    message: str
    label: str
    accept: frozenset[str]
    hard: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method says to a row: the class and how sure it is."""

    row: Row
    kind: str
    confidence: float
    acts: bool

    @property
    def is_right(self) -> bool:
        return self.kind in self.row.accept


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.triage", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="sets of messages, a JSON object a line")
    parser.add_argument("--calibrate", action="store_true", help="fit the calibration that ships")
    parser.add_argument("--misses", action="store_true", help="print every message that was not answered rightly")
    given = parser.parse_args(arguments)
    knowledge = load_knowledge([ROOT / "knowledge"])
    if given.calibrate:
        return _calibrate(knowledge)
    files = [path for path in given.files or (TRIAGE, HELD_OUT) if path.exists()]
    if not files:
        print(f"There is no set of messages; name one. Looked for {TRIAGE} and {HELD_OUT}.", file=sys.stderr)
        return 2
    knowledge.words.leanings(Wording("warm"))
    for path in files:
        rows = read_rows(path)
        print(f"\n{path.name}: {len(rows)} messages, {sum(row.hard for row in rows)} hard")
        _compare(rows, knowledge, misses=given.misses)
    return 0


def read_rows(path: Path) -> list[Row]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [Row(one["message"], one["label"], frozenset(one["accept"]), bool(one.get("hard"))) for one in lines]


def _compare(rows: Sequence[Row], knowledge: Knowledge, *, misses: bool) -> None:
    learned = [(kind_of(cause), text) for cause, text in knowledge.samples()]
    methods: list[tuple[str, Callable[[], list[Answer]]]] = [
        ("sentinel", lambda: [sentinel(row, knowledge) for row in rows]),
        ("keywords", lambda: [_asked(row, *keywords(row.message)) for row in rows]),
        ("TF-IDF + LR, CV", lambda: _cross_validated(rows, learned, tf_idf)),
    ]
    heads = (
        "accepted",
        "hard",
        "50 % cov.",
        "80 % cov.",
        "answered",
        "right of these",
        "benign acted on",
        "ECE",
        "Brier",
        "ms CPU",
    )
    print(f"{'':18}" + "".join(f"{head:>16}" for head in heads))
    ours: list[Answer] = []
    if find_spec("sklearn") is None:
        methods.pop()
        print("TF-IDF + LR is not measured: scikit-learn is not installed (make setup)")
    for name, method in methods:
        began = time.process_time()
        answers = method()
        ms = (time.process_time() - began) * 1000 / len(rows)
        ours = ours or answers
        print(f"{name:18}" + "".join(f"{cell:>16}" for cell in (*_figures(answers), f"{ms:.2f}")))
    print(_reliability(ours))
    print(LEARNS_NOTHING)
    if misses:
        for one in ours:
            if not one.is_right:
                print(f"  {one.row.label} -> {one.kind} {one.confidence:.2f}: {one.row.message[:140]!r}")


def sentinel(row: Row, knowledge: Knowledge) -> Answer:
    """Answer as a diagnosis does; below the threshold it would say unknown and do nothing."""
    kind, confidence, alone = best(weigh(scene_of_sample(row.message), knowledge))
    sure = shipped()(confidence)
    return Answer(row, kind, sure if not alone else min(sure, THRESHOLD - 0.01), sure >= THRESHOLD and not alone)


def best(weighed: Sequence[Weighed]) -> tuple[str, float, bool]:
    """Return the class of the first cause, its raw probability, and whether only the wording speaks for it."""
    if not weighed:
        return ("unknown", 0.0, True)
    return (kind_of(weighed[0].cause), weighed[0].probability, not weighed[0].matches)


def _asked(row: Row, kind: str, confidence: float) -> Answer:
    return Answer(row, kind, confidence, confidence >= THRESHOLD)


def _cross_validated(rows: Sequence[Row], learned: Sequence[tuple[str, str]], peer: Peer) -> list[Answer]:
    answers: dict[int, Answer] = {}
    for fold in folds(range(len(rows))):
        mine = [(row.label, row.message) for index, row in enumerate(rows) if index not in fold]
        ask = peer([*learned, *mine])
        for index in fold:
            answers[index] = _asked(rows[index], *ask(rows[index].message))
    return [answers[index] for index in range(len(rows))]


def folds(indexes: Iterable[int]) -> list[set[int]]:
    """Return the same folds every time."""
    shuffled = list(indexes)
    random.Random(7).shuffle(shuffled)
    return [set(shuffled[fold::FOLDS]) for fold in range(FOLDS)]


def _figures(answers: Sequence[Answer]) -> tuple[str, ...]:
    surest_first = sorted(answers, key=lambda one: -one.confidence)
    hard = [one for one in answers if one.row.hard]
    answered = [one for one in answers if one.acts]
    benign = [one for one in answers if one.row.label == OTHER]
    acted_on = sum(one.acts and one.kind != OTHER for one in benign)
    brier = sum((one.confidence - one.is_right) ** 2 for one in answers) / len(answers)
    return (
        _share(answers),
        _share(hard),
        _share(surest_first[: len(answers) // 2]),
        _share(surest_first[: round(len(answers) * 0.8)]),
        f"{len(answered) / len(answers):.1%}",
        _share(answered),
        f"{acted_on}/{len(benign)}",
        f"{_ece(answers):.3f}",
        f"{brier:.3f}",
    )


def _share(answers: Sequence[Answer]) -> str:
    return f"{sum(one.is_right for one in answers) / len(answers):.1%}" if answers else "none"


def _binned(answers: Sequence[Answer]) -> list[list[Answer]]:
    places = [min(BINS - 1, math.floor(one.confidence * BINS)) for one in answers]
    return [[one for one, place in zip(answers, places, strict=True) if place == number] for number in range(BINS)]


def _ece(answers: Sequence[Answer]) -> float:
    gaps = (abs(sum(one.confidence - one.is_right for one in part)) for part in _binned(answers))
    return sum(gaps) / len(answers)


def _reliability(answers: Sequence[Answer]) -> str:
    cells: list[str] = []
    for number, part in enumerate(_binned(answers)):
        if part:
            said = sum(one.confidence for one in part) / len(part)
            right = sum(one.is_right for one in part) / len(part)
            cells.append(
                f"{number / BINS:.1f}-{(number + 1) / BINS:.1f}: said {said:.2f}, right {right:.2f} ({len(part)})"
            )
    return "  reliability of the sentinel  " + "  |  ".join(cells)


def _calibrate(knowledge: Knowledge) -> int:
    curve = fit_calibration(judged(knowledge))
    points = [[round(raw, 4), round(right, 4)] for raw, right in zip(curve.raw, curve.right, strict=True)]
    place = ROOT / "src" / "grace" / "think" / "sentinel" / FILE
    place.write_text(json.dumps({"points": points}) + "\n", encoding="utf-8")
    print(f"{len(points)} points into {place}")
    return 0


def judged(knowledge: Knowledge) -> list[tuple[float, bool]]:
    """Judge every heard message with words that have not seen it: raw probability, and whether it was right."""
    heard = [(cause, text) for one in knowledge.heard for cause in (one.cause,) for text in one.messages]
    examples = list(Knowledge(knowledge.rules, "").samples())
    found: list[tuple[float, bool]] = []
    for fold in folds(range(len(heard))):
        seen = [*examples, *(one for index, one in enumerate(heard) if index not in fold)]
        words = fit((cause, wording_of(text)) for cause, text in seen)
        for index in sorted(fold):
            cause, text = heard[index]
            kind, probability, _ = best(_weighed(text, knowledge, words.leanings))
            found.append((probability, kind == kind_of(cause)))
    return found


def _weighed(text: str, knowledge: Knowledge, leanings: Callable[[Wording], dict[str, float]]) -> tuple[Weighed, ...]:
    scene = scene_of_sample(text)
    matches: dict[str, list[Match]] = {}
    for rule in knowledge.rules:
        if one := match(rule, scene):
            matches.setdefault(rule.cause, []).append(one)
    return balance(matches, leanings(Wording(scene.text)))


if __name__ == "__main__":
    sys.exit(main())
