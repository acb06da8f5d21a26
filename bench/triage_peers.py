"""What the sentinel is measured beside: plain keyword rules, and TF-IDF with logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

Ask: TypeAlias = Callable[[str], tuple[str, float]]
Peer: TypeAlias = Callable[[Sequence[tuple[str, str]]], Ask]

_KEYWORDS: Final = (
    ("disk_full", ("no space left", "disk full", "quota exceeded", "enospc")),
    ("oom", ("out of memory", "memoryerror", "cannot allocate", "heap space", "oom")),
    ("lock", ("locked", "deadlock", "lock file", "could not get lock", "lock wait")),
    ("dns", ("could not resolve", "name or service not known", "no such host", "getaddrinfo", "enotfound")),
    ("tls_cert", ("certificate", "ssl", "tls", "x509")),
    ("rate_limit", ("429", "too many requests", "rate limit", "throttl")),
    ("auth", ("permission denied", "access denied", "unauthorized", "forbidden", "authentication", "401", "403")),
    ("timeout", ("timed out", "timeout", "deadline exceeded")),
    ("conn_refused", ("connection refused", "connection reset", "econnrefused", "broken pipe", "unavailable")),
    ("resource_limit", ("too many open files", "too many connections", "emfile", "limit")),
    ("dependency_missing", ("no module named", "command not found", "cannot find module", "shared object")),
    ("data_corruption", ("corrupt", "checksum", "crc", "malformed")),
    ("crash_bug", ("segmentation fault", "nullpointer", "panic", "assert", "traceback", "typeerror", "undefined")),
    ("bad_input_config", ("invalid", "syntax error", "unknown option", "not supported", "missing", "constraint")),
    ("other", ("success", "ok", "notice", "info", "already")),
)


def keywords(message: str) -> tuple[str, float]:
    """Answer with the first class one of whose words stands in the message."""
    text = message.lower()
    for kind, words in _KEYWORDS:
        hits = sum(word in text for word in words)
        if hits:
            return kind, min(0.95, 0.6 + 0.1 * hits)
    return "unknown", 0.0


def tf_idf(learned: Sequence[tuple[str, str]]) -> Ask:
    """Learn with scikit-learn, in the usual way: words and pairs, and parts of words."""
    # Only this peer needs it, and not every environment has it.
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
    )
    model: Any = make_pipeline(features, LogisticRegression(C=10, max_iter=2000))
    model.fit([text for _, text in learned], [kind for kind, _ in learned])

    def ask(message: str) -> tuple[str, float]:
        shares = model.predict_proba([message])[0]
        place = int(shares.argmax())
        return str(model.classes_[place]), float(shares[place])

    return ask
