"""Running: one operation under way, its steps, and how it ends."""

from __future__ import annotations

import itertools
import time

from grace_sdk.installation import installed
from grace_sdk.safety import attempt
from grace_sdk.scope import Scope, current_scope, is_correlation_id
from grace_sdk.sighting import copy_labels, copy_text
from grace_sdk.step import Step

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_NS_IN_MS: Final = 1_000_000
_ENDS: Final = (StopIteration, StopAsyncIteration)
"""How a generator says that it is done."""

_numbers: Final = itertools.count(1)


class Spec:
    """What is known of an operation before it runs; may run any number of times, in any thread or task."""

    __slots__ = ("correlation_id", "expected", "labels", "name")

    def __init__(
        self,
        name: str,
        labels: Mapping[str, object] | None = None,
        correlation_id: str = "",
        expected: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.name = copy_text(name)
        self.labels = copy_labels(labels)
        self.correlation_id = correlation_id if is_correlation_id(correlation_id) else ""
        self.expected = expected


class Run(Scope):
    """One operation under way."""

    __slots__ = ("_began_ns", "_is_over", "_previous", "number", "spec")

    def __init__(self, spec: Spec) -> None:
        super().__init__(self._described, spec.correlation_id)
        self.spec = spec
        self.number = next(_numbers)
        self._previous: Scope | None = None
        self._began_ns = 0
        self._is_over = False

    @property
    def correlation_id(self) -> str:
        """What to show to the user: it finds every signal of this operation and of those around it."""
        return self.correlation.known_id()

    def enter(self) -> None:
        """Make it the scope of what happens now; a generator enters and leaves at each of its steps."""
        self._previous = current_scope.get()
        current_scope.set(self)
        if not self._began_ns:
            self._began_ns = time.monotonic_ns()
            attempt(self._note, "started", None)

    def leave(self) -> None:
        current_scope.set(self._previous)

    def finish(self, exc: BaseException | None) -> None:
        """Note, once, how it ended; a failure is captured while its labels still hold. Call it before `leave`."""
        if self._is_over:
            return
        self._is_over = True
        attempt(self._finish, None if isinstance(exc, _ENDS) else exc)

    def _finish(self, exc: BaseException | None) -> None:
        state = _state(exc)
        self._note(state, time.monotonic_ns() - self._began_ns)
        if state == "failed" and exc is not None and not isinstance(exc, self.spec.expected):
            installed.recorder.record_once(exc)

    def _described(self) -> Mapping[str, object]:
        return {**self.spec.labels, "operation": self.spec.name}

    def _note(self, state: str, duration_ns: int | None) -> None:
        outer = self._outer_run()
        number = None if outer is None else outer.number
        step = Step(time.time_ns(), self.spec.name, state, duration_ns, self.number, number)
        self.correlation.trail.append(step)
        if installed.tells_operations:
            _tell(step)

    def _outer_run(self) -> Run | None:
        scope = self.outer
        while scope is not None and not isinstance(scope, Run):
            scope = scope.outer
        return scope


class Stepping:
    """Run one step of a generator inside its operation, and finish the operation with what ends the generator."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.enter()

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            self._run.finish(exc)
        self._run.leave()

    def close(self) -> None:
        """Finish the operation of a generator that nobody asks any more."""
        self._run.enter()
        self._run.finish(None)
        self._run.leave()


def _state(exc: BaseException | None) -> str:
    if exc is None or isinstance(exc, GeneratorExit):
        return "completed"
    return "failed" if isinstance(exc, Exception) else "cancelled"


def _tell(step: Step) -> None:
    """Send a step as a signal of its own; the server keeps it and opens no incident for it."""
    duration_ms = None if step.duration_ns is None else step.duration_ns / _NS_IN_MS
    context = {"number": step.number, "outer_number": step.outer_number, "duration_ms": duration_ms}
    installed.recorder.record(
        "operation",
        title=f"{step.operation} {step.state}",
        message=f"operation {step.state}",
        severity="info",
        labels={"operation": step.operation, "state": step.state},
        context={"operation": context},
    )
