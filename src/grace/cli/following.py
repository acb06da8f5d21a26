"""Follow a run to its end, or to the question that it waits for."""

from __future__ import annotations

from dataclasses import dataclass, field

from grace.cli.calls import JsonObject, Session
from grace.cli.exits import OF_SETTLEMENT, Exit
from grace.cli.runs import next_step
from grace.cli.screen import marked
from grace.cli.story import show_chapters
from grace.cli.views import RunDetail, TellingView
from grace.kit.clock import Clock

_BEAT_S = 0.2


@dataclass(slots=True)
class Follower:
    """Prints the stages of one run as they happen."""

    session: Session
    clock: Clock
    told: int = field(default=-1)
    """Index of the last entry that was shown."""

    def follow(self, run_id: str, *, past_questions: bool = False) -> Exit:
        """Return the exit code of the settlement; WAITING as soon as people have to answer, unless past questions."""
        while True:
            document = self.session.get(f"/api/runs/{run_id}")
            run = self.session.read(RunDetail, document)
            self._tell(run_id)
            if run.settlement is not None or (run.stage == "waiting" and not past_questions):
                return self._end(run, document)
            self.clock.sleep(_BEAT_S)

    def _tell(self, run_id: str) -> None:
        if self.session.screen.as_json:
            return
        telling = self.session.read(TellingView, self.session.get(f"/api/runs/{run_id}/explain"))
        fresh = [chapter for chapter in telling.chapters if chapter.index > self.told]
        show_chapters(self.session.screen, fresh)
        self.told = fresh[-1].index if fresh else self.told

    def _end(self, run: RunDetail, document: JsonObject) -> Exit:
        screen = self.session.screen
        if screen.as_json:
            screen.data(document)
        else:
            screen.line()
            screen.line(marked(run.state, run.sentence))
            screen.line(f"next: {next_step(run)}")
        return Exit.WAITING if run.settlement is None else OF_SETTLEMENT.get(run.settlement, Exit.FAULT)
