"""Lock, look again, keep what will be written: the last stages before the first write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from grace.act.healing import Directory, Eyes, Hands, locks
from grace.act.healing.checking import look
from grace.act.healing.plugs import call, sentence
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.story import Stop, Stopped, Story
from grace.act.safehold import Provider, Vault
from grace.act.safehold.evidence import keep_evidence
from grace.act.verification.comparison import Held, hold_against
from grace.act.verification.sampler import Sampler
from grace.kit.attempt import Raised, attempt
from grace.kit.cuts import cut
from grace.kit.ids import IdMint
from grace.model.contract import Clause, Phase
from grace.model.events import EventType, LocksTaken, PreconditionsRead
from grace.model.plan import Found, Plan, PlannedStep
from grace.model.reading import Known, Reading, Unknown
from grace.model.run import Run
from grace.model.settlement import AbortReason, SettlementKind
from grace.model.snapshot import Snapshot, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal
from grace.record.reading import noun_at

LOCK_PATIENCE_S = 10.0
_LOCK_BEAT_S = 0.2


@dataclass(frozen=True, slots=True)
class Guarding:
    """Everything that can still say no once people and policy have said yes."""

    eyes: Eyes
    hands: Hands
    sampler: Sampler
    providers: Mapping[str, Provider]
    vault: Vault
    directory: Directory
    safe_points: SafePoints
    mint: IdMint

    async def ask_nobody_in_vain(self, story: Story, keys: tuple[str, ...]) -> None:
        """Raise Stopped where a target is quarantined: no person's yes could be used."""

        async def look() -> JsonValue:
            refusal = await story.unit(lambda tx: locks.refuse_quarantined(tx, story.run, keys))
            return None if refusal is None else _unmet(refusal.why).to_json()

        answer = await story.engine.step("quarantine", look)
        if answer is not None:
            raise Stopped(Stop.model_validate(answer))

    async def lock(self, story: Story, keys: tuple[str, ...]) -> LocksTaken:
        """Take every target under a fencing number, unless somebody asked the run to stop; wait for other runs."""
        return await self._locked(story, lambda tx: _standing(story, tx) or self._take(tx, story, keys))

    async def lock_for_way_back(self, story: Story, keys: tuple[str, ...]) -> LocksTaken:
        """Take every target under a fencing number, halt or not; wait a while for another run to let go."""
        return await self._locked(story, lambda tx: _standing(story, tx) or _take(tx, story, keys))

    def _take(self, tx: locks.Transaction, story: Story, keys: tuple[str, ...]) -> LocksTaken | Refusal | Stop:
        return self.safe_points.read_in(tx, story) or _take(tx, story, keys)

    async def _locked(
        self, story: Story, take: Callable[[locks.Transaction], LocksTaken | Refusal | Stop]
    ) -> LocksTaken:
        async def compute() -> LocksTaken | Stop:
            deadline = story.clock.monotonic() + LOCK_PATIENCE_S
            while True:
                taken = await story.unit(take)
                if not isinstance(taken, Refusal):
                    return taken
                if taken.rule != "locked" or story.clock.monotonic() >= deadline:
                    return _unmet(_why_closed(story.run, taken))
                await story.clock.wait(_LOCK_BEAT_S)

        return await story.stage("locks", EventType.LOCKS_TAKEN, LocksTaken, compute)

    async def look_again(self, story: Story, plan: Plan) -> PreconditionsRead:
        """Read finds and `before` clauses under the locks; a difference or an unmet clause stops the run."""

        async def compute() -> PreconditionsRead | Stop:
            return await self._read(story, plan)

        read = await story.stage(
            "preconditions", EventType.PRECONDITIONS_READ, PreconditionsRead, compute, only_reads=True
        )
        if read.stale:
            said = "the world changed since the plan was made: " + "; ".join(read.stale)
            raise Stopped(Stop(kind=SettlementKind.ABORTED, reason=AbortReason.STALE, sentence=said))
        if read.unmet:
            raise Stopped(_unmet("; ".join(read.unmet)))
        return read

    async def snapshot(self, story: Story, plan: Plan) -> Snapshot:
        """Keep the evidence, then the exact state of every target that has a provider."""

        async def compute() -> Snapshot | Stop:
            return await asyncio.to_thread(self._keep, story, plan)

        return await story.stage("snapshot", EventType.SNAPSHOT_TAKEN, Snapshot, compute, only_reads=True)

    def _keep(self, story: Story, plan: Plan) -> Snapshot | Stop:
        """Do so in a thread that may block; what a plug raises ends the run, and nothing was touched."""
        stop = self.safe_points.read(story)
        if stop is not None:
            return stop
        evidence = attempt(lambda: keep_evidence(self._evidence_paths(plan), self.vault))
        if isinstance(evidence, Raised):
            return _not_kept(sentence(evidence))
        if isinstance(evidence.value, Refusal):
            return _not_kept(evidence.value.why)
        objects: list[SnapshotObject] = []
        for target, provider in self._kept(plan):
            cut("snapshot.object.before")
            taken = attempt(lambda t=target, p=provider: p.take(t, self.vault))
            if isinstance(taken, Raised):
                return _not_kept(f"{target.key}: {sentence(taken)}")
            if isinstance(taken.value, Refusal):
                return _not_kept(f"{target.key}: {taken.value.why}")
            objects.append(taken.value)
        return Snapshot(
            id=self.mint.mint("snap"),
            run_id=story.run.id,
            plan_digest=plan.digest,
            objects=tuple(objects),
            evidence=evidence.value,
            taken_at=story.clock.now(),
        )

    def _kept(self, plan: Plan) -> list[tuple[Target, Provider]]:
        named = {
            target.key: (target, self.providers[step.provider])
            for step in plan.steps
            if step.provider is not None
            for target in step.kept
        }
        return [named[key] for key in sorted(named)]

    def _evidence_paths(self, plan: Plan) -> tuple[str, ...]:
        service = self.directory.service(plan.service, plan.environment)
        declared = () if service is None else service.evidence
        named = (target.id for target in plan.targets if target.kind == "file")
        files = tuple(path for path in named if not Path(path).is_symlink())  # What a symlink says, the snapshot keeps.
        return tuple(dict.fromkeys((*declared, *files)))

    async def _read(self, story: Story, plan: Plan) -> PreconditionsRead:
        readings: dict[str, JsonValue] = {}
        stale: list[str] = []
        unmet: list[str] = []
        for found in plan.finds:
            now = await self._look(found.uses, found.parameters)
            readings[f"find.{found.id}"] = now.to_json()
            if difference := changed(found, now):
                stale.append(difference)
        stale.extend([difference for step in plan.steps if (difference := await self._moved(step))])
        by_id = {clause.id: clause for clause in plan.contract.clauses}
        look_at = (*plan.contract.of(Phase.BEFORE), *plan.contract.of(Phase.AFTER))
        for clause_id, reading in (await look(self.sampler, look_at)).items():
            readings[clause_id] = reading.to_json()
            unmet.extend(_unmet_by(by_id[clause_id], reading))
        return PreconditionsRead(run_id=story.run.id, readings=readings, stale=tuple(stale), unmet=tuple(unmet))

    async def _moved(self, step: PlannedStep) -> str:
        """Say how a file differs from what the plan, and whoever approved it, saw; nothing where it does not."""
        provider = self.providers.get(step.provider or "")
        if provider is None or not provider.confirms_by_digest or step.predicted is None:
            return ""
        told = await call(lambda: self.hands.predict_written(step.uses, step.parameters))
        now = sentence(told) if isinstance(told, Raised) else told.value
        if now == step.predicted:
            return ""
        why = now.why if isinstance(now, Refusal) else "it would now write something else than the plan shows"
        return f"step {step.id}: {why}"

    async def _look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        looked = await call(lambda: self.eyes.look(uses, parameters))
        return Unknown(why=sentence(looked)) if isinstance(looked, Raised) else looked.value


def changed(found: Found, now: Known | Unknown) -> str:
    """Say how a find differs from the literal in the plan, or nothing."""
    match now:
        case Unknown():
            return f"{found.id} is now unknown: {now.why}"
        case Known(value=dict() as value) if isinstance(found.identity, dict):
            moved = [name for name, old in found.identity.items() if value.get(name) != old]
            return f"{found.id} is another one now ({', '.join(moved)} differ)" if moved else ""
        case Known(value=value):
            return "" if value == found.result else f"{found.id} was {found.result!r} and is {value!r}"


def _unmet_by(clause: Clause, reading: Reading) -> list[str]:
    """Say why a required `before` clause does not hold; `after` clauses are read here only to be shown."""
    if clause.phase is not Phase.BEFORE or not clause.required:
        return []
    match reading.found:
        case Unknown(why=why):
            return [f"{clause.name} is unknown: {why}"]
        case Known(value=value) if hold_against(clause, reading) is not Held.HOLDS:
            return [f"{clause.name} is {value!r}, the plan needs {clause.comparator} {clause.expected!r}"]
        case _:
            return []


def _standing(story: Story, tx: locks.Transaction) -> LocksTaken | None:
    return noun_at(tx.find, story.key("locks"), LocksTaken)


def _take(tx: locks.Transaction, story: Story, keys: tuple[str, ...]) -> LocksTaken | Refusal:
    taken = locks.take(tx, story.run, keys, story.clock.now())
    if isinstance(taken, LocksTaken):
        tx.append(locks.record(story.run, taken))
    return taken


def _why_closed(run: Run, refusal: Refusal) -> str:
    """Say why a target cannot be had; who asked for a way back is told how to get it."""
    return refusal.why if run.of_run is None else f"{refusal.why}; {refusal.next}"


def _unmet(why: str) -> Stop:
    return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.PRECONDITION, sentence=why)


def _not_kept(why: str) -> Stop:
    return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.SNAPSHOT_FAILED, sentence=f"nothing was touched, {why}")
