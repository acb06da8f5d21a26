"""Durations as people type them, refused in the words of the option that they stand behind."""

from __future__ import annotations

from grace.cli.calls import CommandFailed
from grace.cli.exits import Exit
from grace.model.quantities import DurationTooLongError, duration_s


def read_duration(option: str, written: str, example: str, *, most: str, may_be_nothing: bool = False) -> float:
    """Return the seconds; fail with the option's name and an example for what is none, nothing or more than `most`."""
    too_long = f"{option}: {written!r} is too long; {most} at most"
    try:
        seconds = duration_s(written)
    except DurationTooLongError as error:
        raise CommandFailed(Exit.USAGE, too_long, example) from error
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"{option}: {error}", example) from error
    if seconds == 0 and not may_be_nothing:
        raise CommandFailed(Exit.USAGE, f"{option}: {written!r} is no time at all; say more than 0", example)
    if seconds > duration_s(most):
        raise CommandFailed(Exit.USAGE, too_long, example)
    return seconds
