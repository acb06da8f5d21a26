"""The bookkeeping of one subscriber, under every order in which deliveries can end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace.record.mesh.agenda import MOST_OPEN, Agenda, Item, Pointer

KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@given(KEYS, st.data())
def test_whatever_ends_when_each_key_keeps_its_order_and_the_cursor_is_the_lowest_not_done(
    keys: list[str], data: st.DataObject
) -> None:
    agenda = Agenda(-1)
    pointers = [Pointer(index, key) for index, key in enumerate(keys)]
    cut = data.draw(st.integers(0, len(pointers)))
    agenda.add(pointers[:cut], cut - 1)
    under_way: list[Item] = []
    done: list[Pointer] = []
    now = 0.0
    while len(done) < len(pointers):
        if agenda.read < len(pointers) - 1 and not data.draw(st.booleans()):
            agenda.add(pointers[max(cut, agenda.read + 1) :], len(pointers) - 1)
        agenda.wake(now)
        if (item := agenda.take()) is not None:
            assert item.pointer.key not in {other.pointer.key for other in under_way}
            under_way.append(item)
        elif not under_way:
            now = agenda.next_wake or now
        if under_way and not data.draw(st.booleans()):
            ended = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            if data.draw(st.integers(0, 3)) == 3:
                agenda.rest(ended, now + data.draw(st.floats(0, 10)))
            else:
                agenda.finish(ended)
                done.append(ended.pointer)
        missing = {pointer.index for pointer in pointers} - {pointer.index for pointer in done}
        assert agenda.done == min(min(missing, default=len(pointers)) - 1, agenda.read)
    for key in "abc":
        assert [one for one in done if one.key == key] == [one for one in pointers if one.key == key]
    assert (agenda.open, agenda.is_ready, agenda.next_wake) == (0, False, None)


def test_a_resting_key_holds_back_itself_alone() -> None:
    agenda = Agenda(-1)
    agenda.add([Pointer(0, "a"), Pointer(1, "b"), Pointer(2, "a")], 2)
    first = agenda.take()
    assert first is not None
    agenda.rest(first, 10.0)
    second = agenda.take()
    assert second is not None
    assert second.pointer == Pointer(1, "b")
    assert agenda.take() is None
    agenda.finish(second)
    assert agenda.done == -1
    agenda.wake(9.9)
    assert agenda.take() is None
    agenda.wake(10.0)
    assert agenda.take() is first


def test_a_letter_waits_in_its_line_and_never_holds_the_cursor() -> None:
    agenda = Agenda(9)
    agenda.add([Pointer(10, "a")], 10)
    agenda.add_letters([Pointer(3, "a"), Pointer(4, "b"), Pointer(3, "a"), Pointer(10, "a")])
    taken = [agenda.take(), agenda.take()]
    assert [one.pointer.index for one in taken if one] == [4, 10]
    for one in taken:
        assert one is not None
        agenda.finish(one)
    assert agenda.done == 10
    last = agenda.take()
    assert last is not None
    assert last.is_letter
    agenda.finish(last)
    assert agenda.take() is None


def test_nobody_runs_ahead_without_end() -> None:
    agenda = Agenda(-1)
    agenda.add([Pointer(index, str(index)) for index in range(MOST_OPEN)], MOST_OPEN - 1)
    assert not agenda.has_room
    while (item := agenda.take()) is not None:
        if item.pointer.index:
            agenda.finish(item)
    assert (agenda.open, agenda.has_room, agenda.done) == (1, True, -1)


@given(st.booleans(), st.booleans())
def test_an_item_whose_taker_was_stopped_anywhere_is_given_back_once(was_finished: bool, was_rested: bool) -> None:
    agenda = Agenda(-1)
    agenda.add([Pointer(0, "a"), Pointer(1, "a")], 1)
    item = agenda.take()
    assert item is not None
    if was_finished:
        agenda.finish(item)
    elif was_rested:
        agenda.rest(item, 0.0)
    agenda.give_back(item, 0.0)
    agenda.wake(0.0)
    following = agenda.take()
    assert following is not None
    assert following.pointer.index == int(was_finished)
    assert agenda.take() is None
