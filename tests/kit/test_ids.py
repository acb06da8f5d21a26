import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.clock import VirtualClock
from grace.kit.ids import IdInvalidError, IdMint, beginning_at, new_id, normal_beginning


def test_an_id_tells_its_kind_and_its_time() -> None:
    clock = VirtualClock(datetime(2026, 3, 4, 5, 6, 7, 8000, tzinfo=UTC))
    made = IdMint(clock).mint("run")
    later = clock.now() + timedelta(milliseconds=1)
    assert beginning_at("run", clock.now()) <= made < beginning_at("run", later)


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


@pytest.mark.parametrize("prefix", ["", "Run", "run_x", "9run", "a" * 17])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


@given(st.integers(min_value=0, max_value=26))
def test_what_a_person_typed_of_an_id_finds_it(length: int) -> None:
    whole = new_id("run")
    typed = whole[: 4 + length].upper().replace("0", "o").replace("1", "l")
    assert whole.startswith(normal_beginning(typed))


@pytest.mark.parametrize("typed", ["", "run_$$", "run_" + "U" * 26, "run_" + "0" * 27, "run_0_0", "9run"])
def test_nonsense_is_no_beginning_and_is_refused_with_a_hint(typed: str) -> None:
    with pytest.raises(IdInvalidError, match="grace runs"):
        normal_beginning(typed)
