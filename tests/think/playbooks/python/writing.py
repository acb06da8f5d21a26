"""A small playbook in Python that heals the small world, and variations of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grace.kit.documents import Flaw
from grace.model.plan import Plan
from grace.model.warrant import Refusal
from grace.think.playbooks.loading import LoadedPlaybook, load_playbook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render
from tests.think.worlds import CATALOGUE, DIAGNOSIS, INCIDENT, SERVICE, Eyes, Hands

CAUSES: Final = ("database_locked", "disk_full")

LOWER_POOLS: Final = '''\
from __future__ import annotations

from grace.authoring.playbook import (
    Contract, Draft, Found, Incident, Input, NothingToDo, cause, look, metric, output, playbook, probe, step,
)

SHARDS = ("eu", "us", "ap")


@playbook(
    version="1.2.0",
    when=cause("database_locked", engine="sqlite"),
    inputs={"database": Input("path", source="incident.labels.database")},
    find=[look("holder", "process.lock_holder", path="${{ inputs.database }}")],
)
def lower_pools(incident: Incident, find: Found, inputs: Found) -> Draft | NothingToDo:
    """Lower the pool of every shard."""
    if find.holder.held_s < 5:
        return NothingToDo(f"held for {find.holder.held_s} s only")
    steps = [
        step(f"lower_{shard}", "file.set_value", path=f"/srv/orders/conf/{shard}.yaml", key="pool.size", value=4)
        for shard in SHARDS
    ]
    return Draft(
        do=steps,
        contract=Contract(
            before=[probe("sqlite.writable", path=inputs.database).is_(False)],
            after=[
                probe("sqlite.writable", path=inputs.database).is_(True, within="2s", for_="3s"),
                metric("error_rate").at_most(0.01, within="5s", for_="5s"),
            ],
        ),
        on_violated="roll_back",
        on_inconclusive="hold",
    )
'''

DRAFT: Final = '''\
from grace.authoring.playbook import Contract, Draft, NothingToDo, cause, look, metric, output, playbook, probe, step
{imports}

@playbook(when=cause("database_locked"), find=[look("holder", "process.lock_holder", path="/srv/orders/orders.db")])
def heal(incident, find, service):
    """Heal."""
    {body}
    return Draft(
        do=[step("write", "file.write", path="/srv/orders/conf/a", content={content})],
        contract=Contract(after=[probe("sqlite.writable", path="/srv/orders/orders.db").is_(True, for_="3s")]),
        on_violated="roll_back",
        on_inconclusive="roll_back",
    )
'''


def drafting(body: str = "pass", *, content: str = '"x"', imports: str = "") -> str:
    """Return a playbook with these lines in its function; the first of them is line 7, after one line of imports."""
    return DRAFT.format(imports=imports, body=body.replace("\n", "\n    "), content=content)


def saved(folder: Path, text: str, name: str = "p.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def loaded(folder: Path, text: str) -> LoadedPlaybook:
    outcome = load_playbook(saved(folder, text), CATALOGUE, CAUSES)
    assert isinstance(outcome, LoadedPlaybook), "\n".join(map(str, outcome))
    return outcome


def flaws(folder: Path, text: str) -> tuple[Flaw, ...]:
    outcome = load_playbook(saved(folder, text), CATALOGUE, CAUSES)
    return () if isinstance(outcome, LoadedPlaybook) else outcome


def rendered(playbook: LoadedPlaybook, eyes: Eyes | None = None, occasion: Occasion | None = None) -> Plan | Refusal:
    return render(
        playbook, occasion or Occasion(INCIDENT, DIAGNOSIS, SERVICE), Means(CATALOGUE, eyes or Eyes(), Hands())
    )


def refusal(folder: Path, text: str, eyes: Eyes | None = None, occasion: Occasion | None = None) -> Refusal:
    outcome = rendered(loaded(folder, text), eyes, occasion)
    assert isinstance(outcome, Refusal), outcome
    return outcome


def plan(folder: Path, text: str) -> Plan:
    outcome = rendered(loaded(folder, text))
    assert isinstance(outcome, Plan), outcome
    return outcome
