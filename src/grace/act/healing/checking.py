"""Watch the execution, then judge the contract by what was measured, never by what an executor said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from grace.act.healing.story import Story
from grace.act.verification import Baselines
from grace.act.verification.benchmarks import choose_baseline, numbers_in
from grace.act.verification.judge import judge
from grace.act.verification.sampler import Sampler, Watch
from grace.act.verification.statistics import median
from grace.model.contract import Clause, ClauseSource, Contract, Phase
from grace.model.events import EventType, PreconditionsRead
from grace.model.execution import Aftermath, Execution
from grace.model.ledger_entry import Draft
from grace.model.plan import Plan
from grace.model.reading import Reading
from grace.model.verdict import Benchmark, Finding, Verdict

SECOND_LOOK_S = 1.0
"""A rate has no value at its first reading: what is unknown at once is read again after so long."""


class Checking:
    """Before, throughout and after."""

    def __init__(self, sampler: Sampler, baselines: Baselines) -> None:
        self._sampler = sampler
        self._baselines = baselines

    def watch(self, story: Story, plan: Plan) -> Watch:
        """Return a watch that knows what was read before the first write; enter it before the execution."""
        read = story.standing("preconditions", PreconditionsRead)
        readings = {} if read is None else read.readings
        before = {
            clause.id: Reading.model_validate(readings[clause.id])
            for clause in plan.contract.clauses
            if clause.id in readings
        }
        return self._sampler.watch(plan.contract, before)

    async def judge(self, story: Story, plan: Plan, execution: Execution, watch: Watch, *, restarted: bool) -> Verdict:
        """Return the verdict that stands; an execution that did not finish proves nothing."""

        async def compute() -> Verdict:
            if not execution.is_done:
                return _unfinished(story, execution)
            # Most contracts hold nothing against an earlier benchmark, and then nothing is to be looked up.
            held_against_one = _benchmark_clauses(plan.contract)
            baselines = await asyncio.to_thread(self._baselines_of, plan) if held_against_one else {}
            evidence = await watch.see_out(baselines, started_at=execution.started_at, restarted=restarted)
            verdict = judge(plan.contract, evidence)
            measured = self._benchmarks(story, plan, verdict)
            if measured:
                await story.write(*measured)
            return verdict

        return await story.stage("verdict", EventType.VERDICT_REACHED, Verdict, compute, only_reads=True)

    async def aftermath(self, story: Story, plan: Plan) -> None:
        """Read every outcome once more after the way back, for people."""

        async def compute() -> Aftermath:
            readings = await look(self._sampler, plan.contract.of(Phase.AFTER))
            return Aftermath(run_id=story.run.id, readings=readings, at=story.clock.now())

        await story.stage("aftermath", EventType.AFTERMATH_MEASURED, Aftermath, compute, only_reads=True)

    def _baselines_of(self, plan: Plan) -> dict[str, Benchmark]:
        chosen = {
            clause.id: choose_baseline(self._baselines, plan.service, benchmark_name(clause))
            for clause in _benchmark_clauses(plan.contract)
        }
        return {clause_id: benchmark for clause_id, benchmark in chosen.items() if benchmark is not None}

    def _benchmarks(self, story: Story, plan: Plan, verdict: Verdict) -> list[Draft]:
        drafts: list[Draft] = []
        for result in verdict.clauses:
            values = numbers_in(result.readings)
            if result.clause.source is not ClauseSource.BENCHMARK or not values:
                continue
            benchmark = Benchmark(
                name=benchmark_name(result.clause),
                service=plan.service,
                probe=result.clause.probe,
                values=values,
                missing=result.missing,
                median=median(values),
                at=verdict.at,
                run_id=story.run.id,
            )
            drafts.append(story.draft(f"benchmark/{result.clause.id}", EventType.BENCHMARK_FINISHED, benchmark))
        return drafts


async def look(sampler: Sampler, clauses: Sequence[Clause]) -> dict[str, Reading]:
    """Read clauses once; what is unknown at first, as every rate is, is read again a second later."""
    single = [clause for clause in clauses if clause.source is not ClauseSource.BENCHMARK]
    return await sampler.look(single, again_after_s=SECOND_LOOK_S)


def benchmark_name(clause: Clause) -> str:
    """Return `smoke` for `service.smoke`."""
    return clause.name.removeprefix("service.")


def _benchmark_clauses(contract: Contract) -> list[Clause]:
    return [clause for clause in contract.clauses if clause.source is ClauseSource.BENCHMARK]


def _unfinished(story: Story, execution: Execution) -> Verdict:
    why = f"the execution did not finish: {execution.stopped}"
    return Verdict(finding=Finding.INCONCLUSIVE, clauses=(), why=why, window_s=0, at=story.clock.now())
