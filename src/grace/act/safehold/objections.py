"""What providers would object to if a plan were run now; nothing is kept for the answer."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from grace.act.safehold import Provider, Stage, VaultCorrupt
from grace.kit.attempt import Raised, attempt
from grace.kit.wording import in_words
from grace.model.plan import Plan
from grace.model.warrant import Refusal


class _ForgetfulVault:
    """Answers as a vault does and keeps nothing."""

    def put(self, content: bytes) -> str:
        return f"forgotten:{sha256(content).hexdigest()}"

    def get(self, address: str) -> bytes:
        raise VaultCorrupt(address, "it was only tried whether it could be kept")

    @contextmanager
    def stage(self) -> Generator[Stage]:
        yield self


def objections(plan: Plan, providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """Return, target by target, why its state could not be kept now, so that the run would be aborted."""
    kept = {target.key: (target, step.provider) for step in plan.steps if step.provider for target in step.kept}
    found: list[str] = []
    for key in sorted(kept):
        target, provider = kept[key]
        taken = attempt(lambda t=target, p=providers[provider]: p.take(t, _ForgetfulVault()))
        if isinstance(taken, Raised):
            found.append(f"{key}: {in_words(taken.error)}")
        elif isinstance(taken.value, Refusal):
            found.append(f"{key}: {taken.value.why} {taken.value.next}")
    return tuple(found)
