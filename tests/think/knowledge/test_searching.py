from __future__ import annotations

import pytest

from grace.think.knowledge.loading import load_knowledge
from tests.think.worlds import SHIPPED

INDEX = load_knowledge([SHIPPED / "knowledge"]).index


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("how do I fix a locked sqlite database", "sqlite-busy"),
        ("the disk is full", "disk-full"),
        ("pods restarting in CrashLoopBackOff", "crash-loop"),
        ("certificate expired", "certificate-expired"),
        ("CUDA out of memory while training", "gpu-out-of-memory"),
        ("too many open files", "handles-exhausted"),
        ("name cannot be resolved dns", "name-not-resolved"),
        ("http 429 too many requests", "too-many-requests"),
        ("deadlock between two transactions", "deadlock"),
        ("terraform state lock", "terraform-state-locked"),
        ("ImagePullBackOff", "image-not-pulled"),
        ("prompt is longer than the context of the model", "context-too-long"),
        ("redis maxmemory reached", "store-memory-limit"),
        ("segmentation fault", "process-crashed"),
        ("ModuleNotFoundError after deployment", "library-missing"),
        ("address already in use on port 8080", "address-in-use"),
    ],
)
def test_a_question_finds_the_entry_that_answers_it(question: str, entry: str) -> None:
    found = [one.rule.id for one in INDEX.search(question, 3)]

    assert entry in found, found


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("my postgres says too many connections", "too-many-connections"),
        ("postgres: too many clients", "too-many-connections"),
        ("mysql too many connections", "too-many-connections"),
        ("how do I fix a full disk?", "disk-full"),
        ("too many open files", "handles-exhausted"),
        ("too many requests", "too-many-requests"),
        ("database locked", "sqlite-busy"),
        ("what causes a deadlock", "deadlock"),
        ("my kubernetes pod is OOMKilled", "pod-killed-for-memory"),
        ("nginx 502", "service-says-unavailable"),
        ("jwt expired", "identity-not-accepted"),
        ("the rate limit of openai", "model-service-rate-limit"),
    ],
)
def test_what_names_the_fault_counts_more_than_common_words(question: str, entry: str) -> None:
    found = [one.rule.id for one in INDEX.search(question, 3)]

    assert found[:1] == [entry], found


@pytest.mark.parametrize(
    "question",
    [
        "what is for lunch on thursday",
        "what happened in the last hour",
        "undo the last run",
        "delete all incidents",
        "don't halt",
        "should I halt?",
        "yes",
        "no",
        "what is the weather like today",
        "write a poem about databases",
        "how do I bake bread",
        "make me a sandwich",
        "who won the world cup",
        "reboot everything",
        "",
        "!?",
    ],
)
def test_a_question_about_nothing_that_is_known_finds_nothing(question: str) -> None:
    assert INDEX.search(question, 5) == ()


def test_every_passage_has_a_source_and_the_best_comes_first() -> None:
    found = INDEX.search("connection refused by the database server", 5)

    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all("https://" in one.rule.citation for one in found)
