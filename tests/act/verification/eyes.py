"""Meters that answer by a script, and ways to read them without threads."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from grace.act.verification import Meter
from grace.act.verification.at_once import AtOnce
from grace.act.verification.measuring import Found, read_safely
from grace.model.reading import Known, Unknown


@dataclass
class Scripted:
    """Answer with what the function says for the time of the read; `takes_s` is how long the answer is under way."""

    answer: Callable[[float], JsonValue | Unknown]
    takes_s: float = 0.0
    limit_s: float = 5.0
    read_at: list[float] = field(default_factory=list[float])

    def read(self) -> Known | Unknown:
        at_s = asyncio.get_event_loop().time() - 1000
        self.read_at.append(round(at_s, 6))
        answer = self.answer(at_s)
        return answer if isinstance(answer, Unknown) else Known(value=answer)


class ScriptedEyes:
    def __init__(self, **meters: Meter) -> None:
        self.meters = meters

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> Meter:
        return self.meters[probe]


class OnTheLoop:
    """Read at once, and deliver when the script says, or nothing in time."""

    def start(self, meter: Meter) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        several = meter if isinstance(meter, AtOnce) else None
        scripted = several.meter if several else meter
        assert isinstance(scripted, Scripted)
        if several and scripted.takes_s > 0:
            several.most = 1  # Only what takes no time is read several times in one go.
        found = read_safely(meter)
        if scripted.takes_s >= scripted.limit_s:
            found = Unknown(why="no answer in time")
            if several:
                several.taken.clear()
        if scripted.takes_s == 0:
            future.set_result(found)
        else:
            delay_s = min(scripted.takes_s, scripted.limit_s)
            loop.call_later(delay_s, lambda: future.done() or future.set_result(found))
        return future
