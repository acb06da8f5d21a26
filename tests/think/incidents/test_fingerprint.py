from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.model.signal import Frame, Raised, Signal, SignalKind
from grace.think.incidents.fingerprint import fingerprint
from grace.think.incidents.normalizing import normal_message, normal_name
from tests.think.incidents.signals import frame, locked, said


def _with_frames(signal: Signal, *frames: Frame) -> Signal:
    assert signal.exception is not None
    return signal.model_copy(update={"exception": signal.exception.model_copy(update={"frames": frames})})


def _raised(type_: str, message: str = "", *frames: Frame, chain: tuple[Raised, ...] = ()) -> Signal:
    exception = Raised(type=type_, message=message, frames=frames)
    return said("x", kind=SignalKind.EXCEPTION).model_copy(update={"exception": exception, "chain": chain})


def test_it_names_its_version_and_has_a_fixed_length() -> None:
    mark = fingerprint(locked())
    assert mark.startswith("f1:")
    assert len(mark) == 35


def test_it_is_the_same_in_every_process_and_release() -> None:
    # A changed constant is a changed rule: give it another version, or every open incident is opened twice.
    assert fingerprint(locked()) == "f1:acdca8e848ed564b731d59a48346cfb4"


def test_lines_files_ids_times_and_the_message_have_no_say() -> None:
    one = locked(1)
    other = _with_frames(
        locked(2, after_s=60).model_copy(update={"message": "database table is locked: 17", "labels": {}}),
        frame("orders.app", "post_order", 97, file="/opt/v2/orders/app.py"),
        frame("orders.db", "insert", 3, file="/opt/v2/orders/db.py"),
    )
    assert fingerprint(one) == fingerprint(other)


def test_frames_of_libraries_have_no_say_beside_those_of_the_application() -> None:
    library = frame("sqlalchemy.engine.base", "execute", in_app=False)
    assert fingerprint(locked()) == fingerprint(
        _with_frames(
            locked(), library, frame("orders.app", "post_order"), library, frame("orders.db", "insert"), library
        )
    )


def test_another_crash_site_is_another_fault() -> None:
    elsewhere = _with_frames(locked(), frame("orders.app", "post_order"), frame("orders.db", "update"))
    assert fingerprint(locked()) != fingerprint(elsewhere)


def test_another_way_to_the_same_site_is_another_fault() -> None:
    other_way = _with_frames(locked(), frame("orders.cron", "nightly"), frame("orders.db", "insert"))
    assert fingerprint(locked()) != fingerprint(other_way)


def test_another_type_or_another_cause_is_another_fault() -> None:
    site = (frame("a", "f"),)
    plain = _raised("RuntimeError", "", *site)
    assert fingerprint(plain) != fingerprint(_raised("ValueError", "", *site))
    assert fingerprint(plain) != fingerprint(_raised("RuntimeError", "", *site, chain=(Raised(type="TimeoutError"),)))


def test_how_deep_a_recursion_went_has_no_say() -> None:
    def recursion(depth: int) -> Signal:
        cycle = (frame("a", "even"), frame("a", "odd"))
        return _raised("RecursionError", "", frame("a", "main"), *(cycle * depth))

    assert fingerprint(recursion(2)) == fingerprint(recursion(60))


def test_without_frames_of_the_application_those_of_libraries_count() -> None:
    one = _raised("ValueError", "", frame("lib", "f", in_app=False))
    other = _raised("ValueError", "", frame("lib", "g", in_app=False))
    assert fingerprint(one) != fingerprint(other)


def test_without_frames_the_message_tells_faults_apart() -> None:
    assert fingerprint(_raised("OSError", "disk quota exceeded on 7")) == fingerprint(
        _raised("OSError", "disk quota exceeded on 8")
    )
    assert fingerprint(_raised("OSError", "disk quota exceeded")) != fingerprint(_raised("OSError", "broken pipe"))


def test_an_exception_and_a_message_of_the_same_words_are_two_faults() -> None:
    assert fingerprint(said("boom", kind=SignalKind.LOG)) != fingerprint(said("boom", kind=SignalKind.MESSAGE))
    assert fingerprint(said("boom")) != fingerprint(_raised("boom"))


def test_a_message_is_told_apart_by_what_it_is_about() -> None:
    def answered(route: str) -> Signal:
        return said(f"GET {route} answered 503", labels={"method": "GET", "route": route, "host": "a"})

    assert fingerprint(answered("/orders")) != fingerprint(answered("/stock/list"))
    assert fingerprint(answered("/orders")) == fingerprint(
        answered("/orders").model_copy(update={"labels": {"method": "GET", "route": "/orders", "host": "b"}})
    )


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("database is locked", "database is locked"),
        ("could not insert order 17 for 'bob'", "could not insert order <n> for <text>"),
        ("timeout after 30.5s connecting to 10.0.0.1:5432", "timeout after <n>s connecting to <address>"),
        ("cannot connect to fe80::1:2:3", "cannot connect to <address>"),
        ("user bob@example.com not found", "user <email> not found"),
        ("job 550e8400-e29b-41d4-a716-446655440000 failed", "job <uuid> failed"),
        ("order 01ARZ3NDEKTSV4RRFFQ69G5FAV is gone", "order <id> is gone"),
        ("commit 4f2a9c1d broke 3 tests", "commit <hex> broke <n> tests"),
        ("<Order object at 0x7f8a12> is stale", "<order object at <hex>> is stale"),
        ("no space left in /var/lib/orders/x.db", "no space left in <path>"),
        (r"C:\Users\bob\x.txt is gone", "<path> is gone"),
        ("failed at 2026-01-01T00:00:00.123Z", "failed at <time>"),
        ("GET https://example.org/a?b=1 timed out", "get <url> timed out"),
        ("GET / failed", "get <path> failed"),
        ("GET /cart/17?page=2 failed", "get <path> failed"),
        ('request: "GET /cart HTTP/1.1", upstream: "http://127', "request: <text>, upstream: <text>"),
        ("client: ::1, peer fe80::1%eth0, via ::ffff:10.0.0.1", "client: <address>, peer <address>, via <address>"),
        ("std::vector::at in shop::cart", "std::vector::at in shop::cart"),
        ("can't open it and don't care", "can't open it and don't care"),
        ("utf8 base64 sha256 and/or ipv4", "utf8 base64 sha256 and/or ipv4"),
        ("  a\n  b ", "a b"),
    ],
)
def test_what_varies_in_a_message_is_replaced_by_its_kind(message: str, normal: str) -> None:
    assert normal_message(message) == normal


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("base64", "base64"),
        ("orders.v2.api", "orders.v2.api"),
        ("f.<locals>.<lambda>", "f.<locals>.<lambda>"),
        ("core::fmt::h0123456789abcdef", "core::fmt::h#"),
        ("$$Lambda$27/0x0000000800c8f040", "$$Lambda$#/#"),
        ("com.sun.proxy.$Proxy123.call", "com.sun.proxy.$Proxy#.call"),
        ("main.4f3a2b1c.js", "main.#.js"),
    ],
)
def test_what_compilers_and_builds_add_to_a_name_is_replaced(name: str, normal: str) -> None:
    assert normal_name(name) == normal


_WORDS = st.sampled_from(["order", "lost", "while", "writing", "the", "stock", "table", "of", "shop"])


@given(st.lists(_WORDS, min_size=1), st.data())
def test_messages_that_differ_only_in_what_varies_are_one_fault(words: list[str], data: st.DataObject) -> None:
    kinds = [data.draw(st.sampled_from(["number", "quote", "uuid", "hex"])) for _ in words]
    draws = {
        "number": st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False, width=32).map(str),
        "quote": st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"])).map(lambda text: f"'{text}'"),
        "uuid": st.uuids().map(str),
        "hex": st.integers(0, 2**64).map(hex),
    }

    def drawn() -> str:
        return " ".join(f"{word} {data.draw(draws[kind])}" for word, kind in zip(words, kinds, strict=True))

    assert fingerprint(said(drawn())) == fingerprint(said(drawn()))


@given(st.lists(_WORDS, min_size=1), st.lists(_WORDS, min_size=1))
def test_messages_of_other_words_are_other_faults(one: list[str], other: list[str]) -> None:
    same = fingerprint(said(" ".join(one))) == fingerprint(said(" ".join(other)))
    assert same == (one == other)


@given(st.text(), st.text(), st.text())
def test_any_text_can_be_fingerprinted(title: str, module: str, function: str) -> None:
    assert fingerprint(said(title)) == fingerprint(said(title))
    signal = _raised(title, title, frame(module, function))
    assert fingerprint(signal) == fingerprint(signal)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("fgh")), min_size=1, max_size=6),
    st.lists(st.integers(1, 10_000), min_size=6, max_size=6),
    st.lists(st.text(max_size=5), min_size=6, max_size=6),
)
def test_neither_lines_nor_files_ever_have_a_say(
    places: list[tuple[str, str]], lines: list[int], files: list[str]
) -> None:
    plain = _raised("E", "", *(frame(module, function) for module, function in places))
    moved = _raised(
        "E",
        "other words",
        *(frame(m, f, line, file=file) for (m, f), line, file in zip(places, lines, files, strict=False)),
    )
    assert fingerprint(plain) == fingerprint(moved)
