"""One subscriber's own threads: at least once, in order for each key, and nobody else waits for it."""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.clock import Clock, sleep_unless
from grace.kit.ids import random_bytes
from grace.kit.lasting import LastingThread
from grace.kit.wording import in_words
from grace.record.mesh.agenda import Agenda, Item
from grace.record.mesh.books import BATCH, Books, Reading
from grace.record.mesh.cursors import Cursor
from grace.record.mesh.lane import Lane
from grace.record.mesh.subscription import LONGEST_WORD, MOST_HANGING, Progress, SubscriberGone, TryLater
from grace.record.store import Added

SAVED_AFTER: Final = BATCH
"""After how many deliveries the cursor is saved at the latest."""
UNSAVED: Final = 1_000
"""How many entries that a subscriber does not want may pass before its cursor is saved: each save is a full sync."""
LONGEST_REST_S: Final = 3_600.0
"""How long a subscriber may ask to be left alone at once."""
_SLICE_S: Final = 0.05
_READ_AGAIN_S: Final = 1.0
_LOG: Final = logging.getLogger(__name__)


class Worker:
    """Deliver to one subscriber until closed."""

    def __init__(
        self, books: Books, cursor: Cursor, clock: Clock, entropy: Callable[[int], bytes] = random_bytes
    ) -> None:
        self.subscription = books.subscription
        self._books = books
        self._clock = clock
        self._entropy = entropy
        self._changed = threading.Condition()
        self._agenda = Agenda(cursor.delivered)
        self._saved = cursor.delivered
        self._committed = cursor.delivered
        self._disabled_why = cursor.disabled_why
        self._dead = set(books.dead())
        self._has_letters = True
        self._took_some = False
        self._is_reading = False
        self._rewind_to: int | None = None
        self._quiet_until: float | None = None
        self._closing = False
        self._awaited = 0
        self._wanted = frozenset(type_.value for type_ in books.subscription.types)
        self._lanes: dict[Lane, LastingThread] = {}
        self._hanging = 0
        self._last_delivery_at: datetime | None = None
        self._last_error: tuple[str, datetime] | None = None
        self._timekeeper = LastingThread(f"{self._thread_name}-time", self._keep_time)

    @property
    def delivered(self) -> int:
        """The highest index up to which this subscriber is done with everything."""
        return self._agenda.done

    def start(self) -> None:
        with self._changed:
            self._timekeeper.start()
            self._add_lane()

    def notice(self, highest: int, added: Added | None = None) -> None:
        """Tell that entries up to this index are committed, and what was added last, if that is known."""
        with self._changed:
            self._committed = max(self._committed, highest)
            if added is None or not self._passes_over(added):
                self._changed.notify_all()

    def _passes_over(self, added: Added) -> bool:
        """Count as read what this subscriber does not want, where all before it was read; nobody wakes up for it."""
        is_wanted = not added.types.isdisjoint(self._wanted) and self.subscription.heeds()
        if is_wanted or self._is_reading or self._rewind_to is not None or self._agenda.read < added.first - 1:
            return False
        self._agenda.add((), added.highest)
        self._save_where_due()
        return not self._awaited

    def notice_letters(self, forgotten: Collection[int] = ()) -> None:
        """Tell that letters were requeued, or dropped."""
        with self._changed:
            self._has_letters = True
            self._dead.difference_update(forgotten)
            self._changed.notify_all()

    def rewind(self, from_index: int) -> None:
        """Deliver again from this index on, as soon as the deliveries under way have ended."""
        with self._changed:
            self._rewind_to = from_index - 1
            self._changed.notify_all()

    def enable(self) -> None:
        """Go on after the subscriber was gone; the entry that it was gone at is offered again first."""
        with self._changed:
            self._disabled_why = None
            self._quiet_until = None
            self._changed.notify_all()

    def wait_delivered(self, index: int, timeout_s: float) -> bool:
        """Wait until this subscriber is done with `index`; say whether it is."""
        with self._changed:
            self._awaited += 1
            try:
                return self._changed.wait_for(lambda: self._rewind_to is None and self._agenda.done >= index, timeout_s)
            finally:
                self._awaited -= 1

    def threads(self) -> tuple[LastingThread, ...]:
        """Return those who deliver and keep time at the moment."""
        with self._changed:
            return (self._timekeeper, *self._lanes.values())

    def progress(self) -> Progress:
        with self._changed:
            error = self._last_error or (None, None)
            told = Progress(
                name=self.subscription.name,
                types=self.subscription.types,
                concurrency=self.subscription.concurrency,
                delivered=self._agenda.done,
                behind=max(0, self._committed - self._agenda.done),
                oldest_waiting_at=None,
                under_way=sum(lane.item is not None for lane in self._lanes),
                resting=self._agenda.resting,
                hanging=self._hanging,
                last_delivery_at=self._last_delivery_at,
                last_error=error[0],
                last_error_at=error[1],
                disabled_why=self._disabled_why,
            )
        if told.behind == 0:
            return told
        return replace(told, oldest_waiting_at=self._books.oldest_after(told.delivered))

    def begin_closing(self) -> None:
        """Begin no further delivery."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self, drain_s: float) -> bool:
        """Wait for the deliveries under way and save the cursor; say whether all of them ended in time.

        One that does not end in time is left alone, and its entry is delivered again after the next start.
        """
        self.begin_closing()
        with self._changed:
            is_drained = self._changed.wait_for(lambda: all(lane.item is None for lane in self._lanes), drain_s)
            ended = [thread for lane, thread in self._lanes.items() if lane.item is None]
            for lane in self._lanes:
                lane.is_abandoned = True
        for thread in (*ended, self._timekeeper):
            thread.join()
        if self._agenda.done != self._saved:
            self._save()
        if not is_drained:
            _LOG.warning("%s did not end in time; it gets the entry again after the next start", self.subscription.name)
        return is_drained

    # ---- lanes ----

    @property
    def _thread_name(self) -> str:
        return f"grace-mesh-{self.subscription.name}"

    def _add_lane(self) -> None:
        lane = Lane()
        thread = LastingThread(self._thread_name, partial(self._serve, lane))
        self._lanes[lane] = thread
        thread.start()

    def _serve(self, lane: Lane) -> None:
        self._pick_up(lane)
        while (item := self._next(lane)) is not None:
            outcome = attempt(partial(self._books.deliver, item.pointer))
            if self._came_too_late(lane):
                return
            self._conclude(item, outcome)
            with self._changed:
                lane.item = lane.deadline = None
                self._changed.notify_all()

    def _pick_up(self, lane: Lane) -> None:
        """Give back what was under way when this thread fell over: it is tried again."""
        with self._changed:
            if lane.is_reading:
                lane.is_reading = self._is_reading = False
            if lane.item is not None and lane in self._lanes:
                self._agenda.give_back(lane.item, self._clock.monotonic())
                lane.item = lane.deadline = None
            self._changed.notify_all()

    def _came_too_late(self, lane: Lane) -> bool:
        """Tell whether the attempt was given up meanwhile; from here on it cannot be."""
        with self._changed:
            lane.deadline = None
            if lane.is_abandoned and lane not in self._lanes:
                self._hanging -= 1
                self._changed.notify_all()
            return lane.is_abandoned

    def _next(self, lane: Lane) -> Item | None:
        """Wait for something to deliver; None when the lane is over."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._may_deliver() or self._may_read())
                if self._closing:
                    return None
                if self._may_deliver() and (item := self._agenda.take()) is not None:
                    self._begin(lane, item)
                    return item
                reading = self._begin_reading()
            lane.is_reading = True
            self._read(reading)
            lane.is_reading = False

    def _may_deliver(self) -> bool:
        is_held = self._rewind_to is not None or self._disabled_why is not None or self._quiet_until is not None
        return not is_held and self._hanging < MOST_HANGING and self._agenda.is_ready

    def _may_read(self) -> bool:
        if self._is_reading:
            return False
        if self._rewind_to is not None:
            return all(lane.item is None for lane in self._lanes)
        return self._has_letters or (self._agenda.has_room and self._committed > self._agenda.read)

    def _begin(self, lane: Lane, item: Item) -> None:
        lane.item = item
        if self.subscription.timeout_s is not None:
            lane.deadline = self._clock.monotonic() + self.subscription.timeout_s
        if self._agenda.is_ready and len(self._lanes) < self.subscription.concurrency:
            self._add_lane()
        self._changed.notify_all()

    # ---- reading ahead ----

    def _begin_reading(self) -> Reading:
        if self._rewind_to is not None:
            self._agenda.begin_again(self._rewind_to)
            self._rewind_to = None
            self._has_letters = True
            self._save()
        self._is_reading = True
        reading = Reading(self._agenda.read, self._committed, self._has_letters, self._agenda.has_room)
        self._has_letters = False
        return reading

    def _read(self, reading: Reading) -> None:
        """Look up what comes next; while that fails, it is tried again."""
        outcome = attempt(lambda: self._books.look_up(reading))
        if isinstance(outcome, Raised):
            _LOG.error("%s cannot read the ledger: %s", self.subscription.name, outcome.error)
            sleep_unless(self._clock, _READ_AGAIN_S, lambda: self._closing)
        with self._changed:
            self._is_reading = False
            match outcome:
                case Returned((letters, found)) if self._rewind_to is None:
                    self._agenda.add_letters(letters)
                    self._agenda.add(found, reading.reached(found))
                case _:
                    self._has_letters = self._has_letters or reading.has_letters
            self._save_where_due()
            self._changed.notify_all()

    # ---- outcomes ----

    def _conclude(self, item: Item, outcome: Returned[None] | Raised) -> None:
        match outcome:
            case Returned():
                self._take(item)
            case Raised(SubscriberGone() as gone):
                self._disable(item, str(gone))
            case Raised(TryLater() as later):
                with self._changed:
                    self._quiet_until = self._clock.monotonic() + min(later.after_s, LONGEST_REST_S)
                self._fail(item, str(later))
            case Raised(error):
                self._fail(item, f"{type(error).__name__}: {in_words(error)}")

    def _take(self, item: Item) -> None:
        with self._changed:
            self._agenda.finish(item)
            self._took_some = True
            self._last_delivery_at = self._clock.now()
            was_dead = item.pointer.index in self._dead
            self._dead.discard(item.pointer.index)
            self._save_where_due()
        if was_dead:
            self._books.dig_up(item.pointer.index)

    def _fail(self, item: Item, why: str) -> None:
        """Let the item rest, or keep it as a dead letter; while even that cannot be written it is not given up."""
        rule, now = self.subscription.rule, self._clock.now()
        why = why[:LONGEST_WORD]
        is_dead = item.failed + 1 >= rule.attempts and self._books.bury(item.pointer.index, why, now)
        if is_dead:
            _LOG.warning("%s could not take entry %d: %s", self.subscription.name, item.pointer.index, why)
        with self._changed:
            self._last_error = (why, now)
            if is_dead:
                self._agenda.finish(item)
                self._dead.add(item.pointer.index)
                self._took_some = True
                self._save_where_due()
            else:
                item.failed = min(item.failed + 1, rule.attempts - 1)
                pause_s = rule.delay_s(max(item.failed, 1), self._entropy)
                self._agenda.rest(item, self._clock.monotonic() + pause_s)
            self._changed.notify_all()

    def _disable(self, item: Item, why: str) -> None:
        """Stop delivering, on the record; the entry stays the next one."""
        now, why = self._clock.now(), why[:LONGEST_WORD]
        with self._changed:
            is_news, delivered = self._disabled_why is None, self._agenda.done
            self._disabled_why, self._last_error = why, (why, now)
            self._agenda.rest(item, self._clock.monotonic())
            self._changed.notify_all()
        if is_news:
            self._books.disable(delivered, why, now)
            _LOG.error("%s is disabled, nothing more is delivered to it: %s", self.subscription.name, why)

    # ---- time ----

    def _keep_time(self) -> None:
        """Wake lines that rested long enough, and leave alone what takes too long."""
        while self._wait_for_a_moment():
            for item in self._pass_time():
                self._fail(item, f"TimeoutError: not done within {self.subscription.timeout_s:g} s")

    def _wait_for_a_moment(self) -> bool:
        """Wait a little for the next rest or time limit to end; say no when the worker closes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or self._rest_ends() is not None or self._limit_ends() is not None
            )
            rest, limit, now = self._rest_ends(), self._limit_ends(), self._clock.monotonic()
            if not self._closing and limit is not None and (rest is None or limit < rest):
                # Others use this time, so it is not slept away: on a virtual clock it would be over at once.
                self._changed.wait(max(0.0, min(limit - now, _SLICE_S)))
                return True
        if rest is not None and rest > now:
            self._clock.sleep(min(rest - now, _SLICE_S))
        return not self._closing

    def _rest_ends(self) -> float | None:
        moments = (self._agenda.next_wake, self._quiet_until)
        return min((moment for moment in moments if moment is not None), default=None)

    def _limit_ends(self) -> float | None:
        return min((lane.deadline for lane in self._lanes if lane.deadline is not None), default=None)

    def _pass_time(self) -> list[Item]:
        """Return what is out of time; each thread that is left alone gets a successor."""
        with self._changed:
            if self._closing:
                return []
            now = self._clock.monotonic()
            self._agenda.wake(now)
            if self._quiet_until is not None and self._quiet_until <= now:
                self._quiet_until = None
            late = [lane for lane in self._lanes if lane.deadline is not None and lane.deadline <= now]
            for lane in late:
                lane.is_abandoned = True
                del self._lanes[lane]
                self._hanging += 1
                self._add_lane()
            self._changed.notify_all()
            return [lane.item for lane in late if lane.item is not None]

    # ---- the cursor ----

    def _save_where_due(self) -> None:
        done, agenda = self._agenda.done, self._agenda
        is_idle = not agenda.is_ready and agenda.read >= self._committed
        due = SAVED_AFTER if self._took_some else UNSAVED
        if done - self._saved >= due or (self._took_some and is_idle and done != self._saved):
            self._save()

    def _save(self) -> None:
        self._saved, self._took_some = self._agenda.done, False
        self._books.save(self._saved, self._clock.now())
