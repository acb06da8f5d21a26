"""Letters that look like others, and signs that show nothing: what a text says to an eye, in plain letters.

For the search alone. What is kept stays as it was written, except where a secret was found.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

_LOOK_ALIKES: Final = dict(
    zip(
        "аеорсухіјѕһԁԛԝӏкмтАВЕКМНОРСТУХІЈЅԌԚԜαορνεικτυχγϲΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹıɑɡɩʋᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢς",
        "aeopcyxijshdqwlkmtABEKMHOPCTYXIJSGQWaopveiktuxycABEZHIKMNOPTYXCiagivabcdeghijklmnoprstuvwyzc",
        strict=True,
    )
)
_UNSEEN: Final = frozenset({"Cf", "Me", "Mn"})
"""Joiners, directions, soft hyphens, accents."""
_FILLERS: Final = "\u115f\u1160\u3164\uffa0"
_ASCII: Final = 128
_MOST_KNOWN: Final = 4_096


class _Plain(dict[int, str]):
    """What each letter looks like, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        shown = letter if code < _ASCII else _shown(letter)
        if len(self) < _MOST_KNOWN:
            self[code] = shown
        return shown


_plain: Final = _Plain()


def plain(text: str) -> str:
    """Return what a text looks like, in plain letters where there are such; a text in ASCII is itself."""
    return text if text.isascii() else text.translate(_plain)


def masked(text: str, found: str, mark: str) -> str:
    """Return a text with masked in it what `found`, its plain form with marks, has masked.

    Where it could be in two places what stands between two marks, it is masked too; where nothing fits, `found` is all.
    """
    shown, parts = plain(text), found.split(mark)
    if len(parts) == 1:
        return found
    first, last = _from_the_left(shown, parts), _from_the_right(shown, parts)
    if first is None or last is None:
        return found
    offsets = [0, *accumulate(len(_plain[ord(letter)]) for letter in text)]
    kept = [
        _original(text, offsets, start, start + len(part))
        for part, start, other in zip(parts, first, last, strict=True)
        if start == other
    ]
    return mark.join(kept)


def _shown(letter: str) -> str:
    # Only who meets such letters pays for the tables of Unicode.
    from unicodedata import category, normalize  # noqa: PLC0415

    apart = normalize("NFKD", letter)
    return "".join(_LOOK_ALIKES.get(one, one) for one in apart if category(one) not in _UNSEEN and one not in _FILLERS)


def _from_the_left(shown: str, parts: list[str]) -> list[int] | None:
    """Return where each part can begin at the earliest; the first one begins the text, the last one ends it."""
    starts, end = [0], len(parts[0])
    for part in parts[1:-1]:
        start = shown.find(part, end)
        if start < 0:
            return None
        starts.append(start)
        end = start + len(part)
    starts.append(len(shown) - len(parts[-1]))
    fits = shown.startswith(parts[0]) and shown.endswith(parts[-1]) and starts[-1] >= end
    return starts if fits else None


def _from_the_right(shown: str, parts: list[str]) -> list[int] | None:
    """Return where each part can begin at the latest."""
    starts = [len(shown) - len(parts[-1])]
    for part in reversed(parts[1:-1]):
        start = shown.rfind(part, 0, starts[-1])
        if start < 0:
            return None
        starts.append(start)
    return [0, *reversed(starts)]


def _original(text: str, offsets: list[int], start: int, end: int) -> str:
    """Return what stands for a part of the plain text; letters on its edge that show nothing go with what is masked."""
    begin = bisect_right(offsets, start) - 1 if start else 0
    if offsets[begin] < start:
        begin += 1
    stop = len(text) if end == offsets[-1] else bisect_left(offsets, end)
    if stop < len(text) and offsets[stop] > end:
        stop -= 1
    return text[begin:stop]
