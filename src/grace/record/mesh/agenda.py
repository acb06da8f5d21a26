"""What one subscriber still has to take: entries of different keys at once, those of one key one after the other."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MOST_OPEN: Final = 1_000
"""How far a subscriber may run ahead of its oldest entry that is not done: what a crash makes it see again."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where an entry is, and in which line it waits; its content is read when it is offered, for it may be erased."""

    index: int
    key: str


@dataclass(slots=True, eq=False)
class Item:
    """One entry on its way to the subscriber."""

    pointer: Pointer
    is_letter: bool = False
    """A dead letter that is offered again: the cursor passed it long ago and does not wait for it."""
    failed: int = 0


@dataclass(slots=True)
class Agenda:
    """The lines of one subscriber and how far everything is done. Not safe between threads; it knows no clock."""

    read: int
    """Up to here every entry that the subscriber wants was added."""
    _open: OrderedDict[int, None] = field(default_factory=OrderedDict[int, None])
    _letters: set[int] = field(default_factory=set[int])
    _lines: dict[str, deque[Item]] = field(default_factory=dict[str, deque[Item]])
    _ready: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    _resting: list[tuple[float, int, str]] = field(default_factory=list[tuple[float, int, str]])

    @property
    def done(self) -> int:
        """The cursor: nothing at or below it is left to do."""
        return next(iter(self._open)) - 1 if self._open else self.read

    @property
    def open(self) -> int:
        """How many entries wait, rest after a failure, or are under way; letters are not counted."""
        return len(self._open)

    @property
    def resting(self) -> int:
        return len(self._resting)

    @property
    def has_room(self) -> bool:
        return len(self._open) < MOST_OPEN

    @property
    def is_ready(self) -> bool:
        return bool(self._ready)

    @property
    def next_wake(self) -> float | None:
        """When the first line that rests may go on."""
        return self._resting[0][0] if self._resting else None

    def add(self, pointers: Iterable[Pointer], read: int) -> None:
        """Add what comes next, in order of index; `read` is how far that reaches."""
        for pointer in pointers:
            self._open[pointer.index] = None
            self._line_up(Item(pointer))
        self.read = max(self.read, read)

    def add_letters(self, pointers: Iterable[Pointer]) -> None:
        """Add dead letters to be offered again; those that are here already stay where they are."""
        for pointer in pointers:
            if pointer.index not in self._letters and pointer.index not in self._open:
                self._letters.add(pointer.index)
                self._line_up(Item(pointer, is_letter=True))

    def take(self) -> Item | None:
        """Return the oldest entry that may go; its line waits until it is given back."""
        return self._lines[heapq.heappop(self._ready)[1]][0] if self._ready else None

    def finish(self, item: Item) -> None:
        """Strike out an item that was taken: delivered or dead."""
        (self._letters.discard if item.is_letter else self._strike)(item.pointer.index)
        line = self._lines[item.pointer.key]
        line.popleft()
        if line:
            self._make_ready(line[0])
        else:
            del self._lines[item.pointer.key]

    def rest(self, item: Item, until: float) -> None:
        """Give back an item that failed; its line goes on with it at `until`, and every other line at once."""
        heapq.heappush(self._resting, (until, item.pointer.index, item.pointer.key))

    def give_back(self, item: Item, until: float) -> None:
        """Let an item rest whose taker was stopped anywhere; nothing happens where it was given back before."""
        line = self._lines.get(item.pointer.key)
        waits = any(key == item.pointer.key for *_, key in (*self._ready, *self._resting))
        if line and line[0] is item and not waits:
            self.rest(item, until)

    def wake(self, now: float) -> None:
        """Make the lines ready whose rest is over."""
        while self._resting and self._resting[0][0] <= now:
            self._make_ready(self._lines[heapq.heappop(self._resting)[2]][0])

    def begin_again(self, read: int) -> None:
        """Forget everything and go on after `read`; nothing may be under way."""
        for each in (self._open, self._letters, self._lines, self._ready, self._resting):
            each.clear()
        self.read = read

    def _line_up(self, item: Item) -> None:
        line = self._lines.setdefault(item.pointer.key, deque())
        line.append(item)
        if len(line) == 1:
            self._make_ready(item)

    def _make_ready(self, item: Item) -> None:
        heapq.heappush(self._ready, (item.pointer.index, item.pointer.key))

    def _strike(self, index: int) -> None:
        del self._open[index]
