import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.clock import VirtualClock
from grace.kit.ids import IdInvalidError, IdMint, is_id, new_id, normal_beginning, parse_id


def test_an_id_tells_its_kind_and_its_time() -> None:
    clock = VirtualClock(datetime(2026, 3, 4, 5, 6, 7, 8000, tzinfo=UTC))
    parsed = parse_id(IdMint(clock).mint("run"), "run")
    assert parsed.prefix == "run"
    assert parsed.made_at == clock.now()


def test_ids_rise_even_when_the_clock_stands_still() -> None:
    mint = IdMint(VirtualClock())
    ids = [mint.mint("run") for _ in range(1000)]
    assert ids == sorted(set(ids))


def test_ids_rise_even_when_the_clock_goes_back() -> None:
    clock = VirtualClock()
    mint = IdMint(clock)
    clock.advance(10)
    first = mint.mint("run")
    mint_of_the_past = IdMint(VirtualClock())
    assert mint_of_the_past.mint("run") < first
    mint._clock = VirtualClock()  # pyright: ignore[reportPrivateUsage]
    assert mint.mint("run") > first


def test_two_processes_that_share_their_past_do_not_share_their_future() -> None:
    """Forked within one millisecond, both continue from the same id, but each draws its own stride."""
    draws = {"size": b"\x07"}
    parent, child = (IdMint(VirtualClock(), lambda size: draws["size"] * size) for _ in range(2))
    assert parent.mint("run") == child.mint("run")
    after_parent = parent.mint("run")
    draws["size"] = b"\x09"
    assert child.mint("run") != after_parent


def test_threads_never_get_the_same_id() -> None:
    ids: list[str] = []

    def draw() -> None:
        ids.extend(new_id("sig") for _ in range(500))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == len(ids) == 4000


@pytest.mark.parametrize("text", ["", "run", "run_", "run_0", "RUN_" + "0" * 26, "run_8" + "0" * 25, "run_" + "U" * 26])
def test_what_is_no_id_is_refused_with_a_hint(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(IdInvalidError, match="grace runs"):
        parse_id(text)


def test_an_id_of_another_kind_is_refused() -> None:
    other = new_id("inc")
    assert is_id(other, "inc")
    assert not is_id(other, "run")
    with pytest.raises(IdInvalidError):
        parse_id(other, "run")


@pytest.mark.parametrize("prefix", ["", "Run", "run_x", "9run", "a" * 17])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


@given(st.integers(min_value=0, max_value=26))
def test_what_a_person_typed_of_an_id_finds_it(length: int) -> None:
    whole = new_id("run")
    typed = whole[: 4 + length].upper().replace("0", "o").replace("1", "l")
    assert whole.startswith(normal_beginning(typed))


def test_nonsense_is_no_beginning() -> None:
    with pytest.raises(IdInvalidError):
        normal_beginning("run_$$")
