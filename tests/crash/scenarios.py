"""What is healed in the crash matrix: a playbook, a world, and the ends that are allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from grace.model.settlement import SettlementKind
from tests.crash.worlds import Files, Program, Reloading, Rows, StuckWriter, Switch, World

COMMITTED: Final = SettlementKind.COMMITTED
ROLLED_BACK: Final = SettlementKind.ROLLED_BACK
NOT_RESTORED: Final = SettlementKind.NOT_RESTORED
SERVICE: Final = "shop"
ASKING: Final = "question"
"""The one playbook that must ask a person."""
SLOW: Final = "slow-switch"
"""The one whose server still works on a request when GRACE is back."""
DEAF: Final = "deaf-switch"
"""The one whose server loses the first request."""
_NOT_ON: Final = (ROLLED_BACK, NOT_RESTORED)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to heal."""

    name: str
    playbook: str
    world: Callable[[Path], World]
    usual: SettlementKind
    """How it ends when nothing is cut."""
    allowed: frozenset[SettlementKind]
    """How it may end wherever it is cut."""
    undoes: bool = False
    """A person undoes it when it is committed."""


_HEAD: Final = """\
format: 1
name: crash-{name}
version: 1.0.0
summary: What the crash matrix does to {name}
when: {{cause: dependency_unavailable, labels: {{scenario: {name}}}}}
"""
_TAIL: Final = """\
on_violated: roll_back
on_inconclusive: roll_back
"""
_SOON: Final = "within: 2s, for: 100ms, every: 20ms"
_AT_ONCE: Final = "within: 20ms, for: 100ms, every: 20ms"


def _files(*, good: bool) -> str:
    return f"""\
inputs:
  folder: {{type: path, from: incident.labels.folder}}
do:
  - {{id: change, uses: file.write, with: {{path: "${{{{ inputs.folder }}}}/settings.txt", content: "after\\n"}}}}
  - id: add
    uses: file.write
    with: {{path: "${{{{ inputs.folder }}}}/new.txt", content: "new\\n", mode: "0600"}}
contract:
  before:
    - {{probe: file.text, with: {{path: "${{{{ inputs.folder }}}}/settings.txt"}}, is: "before\\n"}}
  after:
    - probe: file.text
      with: {{path: "${{{{ inputs.folder }}}}/settings.txt"}}
      is: "{"after" if good else "never"}\\n"
      {(_SOON if good else _AT_ONCE).replace(", ", chr(10) + "      ")}
"""


def _rows(*, good: bool) -> str:
    return f"""\
inputs:
  database: {{type: path, from: incident.labels.database}}
do:
  - id: raise
    uses: sqlite.execute
    with:
      path: "${{{{ inputs.database }}}}"
      statements:
        - {{sql: "UPDATE counters SET n = n + 1 WHERE id = 'ours'"}}
      at_most_rows: 1
contract:
  after:
    - probe: sqlite.scalar
      with: {{path: "${{{{ inputs.database }}}}", query: "SELECT n FROM counters WHERE id = 'ours'"}}
      is: {1 if good else 99}
      {(_SOON if good else _AT_ONCE).replace(", ", chr(10) + "      ")}
"""


def _program(*, good: bool) -> str:
    return f"""\
inputs:
  log: {{type: path, from: incident.labels.log}}
do:
  - id: work
    uses: command.run
    with:
      argv: [/bin/sh, -c, 'echo began >> "$0"; sleep 0.02; echo through >> "$0"', "${{{{ inputs.log }}}}"]
      target: "crash:work"
      patience: 200ms
    undo:
      uses: command.run
      with:
        argv: [/bin/sh, -c, 'echo undone >> "$0"', "${{{{ inputs.log }}}}"]
        target: "crash:work"
        patience: 200ms
contract:
  after:
    - {{probe: file.contains, with: {{path: "${{{{ inputs.log }}}}", text: {"through" if good else "never"}}}, is: true,
       {_SOON if good else _AT_ONCE}}}
"""


_STUCK: Final = f"""\
inputs:
  database: {{type: path, from: incident.labels.database}}
find:
  - {{id: holder, uses: process.lock_holder, with: {{path: "${{{{ inputs.database }}}}", watch: 0s}}}}
do:
  - id: end
    uses: process.terminate
    with:
      process: {{pid: "${{{{ find.holder.pid }}}}", started_at: "${{{{ find.holder.started_at }}}}"}}
      holds: "${{{{ inputs.database }}}}"
contract:
  after:
    - {{probe: sqlite.writable, with: {{path: "${{{{ inputs.database }}}}"}}, is: true, {_SOON}}}
on_violated: hold
on_inconclusive: hold
"""

_RELOAD: Final = f"""\
inputs:
  pid_file: {{type: path, from: incident.labels.pid_file}}
  log: {{type: path, from: incident.labels.log}}
find:
  - {{id: main, uses: process.from_pid_file, with: {{path: "${{{{ inputs.pid_file }}}}"}}}}
do:
  - id: reload
    uses: process.signal
    with: &call
      process: {{pid: "${{{{ find.main.pid }}}}", started_at: "${{{{ find.main.started_at }}}}"}}
      pid_file: "${{{{ inputs.pid_file }}}}"
      signal: USR1
    undo:
      uses: process.signal
      with:
        process: {{pid: "${{{{ find.main.pid }}}}", started_at: "${{{{ find.main.started_at }}}}"}}
        pid_file: "${{{{ inputs.pid_file }}}}"
        signal: HUP
contract:
  after:
    - {{probe: file.contains, with: {{path: "${{{{ inputs.log }}}}", text: USR1}}, is: true, {_SOON}}}
""".replace(" &call", "")


def _switch(*, good: bool, timeout: str = "2s") -> str:
    return f"""\
inputs:
  url: {{type: text, from: incident.labels.url}}
do:
  - id: turn_on
    uses: http.request
    with:
      method: POST
      url: "${{{{ inputs.url }}}}"
      timeout: {timeout}
      check: {{url: "${{{{ inputs.url }}}}", contains: '"is_on": true'}}
    undo:
      uses: http.request
      with:
        method: DELETE
        url: "${{{{ inputs.url }}}}"
        timeout: 2s
        check: {{url: "${{{{ inputs.url }}}}", contains: '"is_on": false'}}
contract:
  after:
    - probe: http.json
      with: {{url: "${{{{ inputs.url }}}}", pointer: {"/is_on" if good else "/on"}}}
      is: {"true" if good else 99}
      {(_SOON if good else _AT_ONCE).replace(", ", chr(10) + "      ")}
"""


def _scenario(
    name: str,
    body: str,
    world: Callable[[Path], World],
    usual: SettlementKind,
    *others: SettlementKind,
    tail: str = _TAIL,
    undoes: bool = False,
) -> Scenario:
    playbook = _HEAD.format(name=name) + body + tail
    return Scenario(name, playbook, world, usual, frozenset({usual, *others}), undoes)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    one.name: one
    for one in (
        _scenario("files", _files(good=True), Files, COMMITTED, ROLLED_BACK),
        _scenario("files-harm", _files(good=False), Files, ROLLED_BACK),
        _scenario("files-undo", _files(good=True), Files, COMMITTED, ROLLED_BACK, undoes=True),
        _scenario(ASKING, _files(good=True), Files, COMMITTED, ROLLED_BACK),
        _scenario("rows", _rows(good=True), Rows, COMMITTED, ROLLED_BACK),
        _scenario("rows-harm", _rows(good=False), Rows, ROLLED_BACK),
        _scenario("program", _program(good=True), Program, COMMITTED, ROLLED_BACK, NOT_RESTORED),
        _scenario("program-harm", _program(good=False), Program, ROLLED_BACK, NOT_RESTORED),
        _scenario("stuck-writer", _STUCK, StuckWriter, COMMITTED, SettlementKind.HELD, tail=""),
        _scenario("reload", _RELOAD, Reloading, COMMITTED, ROLLED_BACK, NOT_RESTORED),
        _scenario("switch", _switch(good=True), Switch, COMMITTED, ROLLED_BACK, NOT_RESTORED),
        _scenario(SLOW, _switch(good=True, timeout="8s"), partial(Switch, works_s=3.0), COMMITTED, *_NOT_ON),
        _scenario(DEAF, _switch(good=True), partial(Switch, loses=True), NOT_RESTORED, COMMITTED, ROLLED_BACK),
        _scenario("switch-harm", _switch(good=False), Switch, ROLLED_BACK, NOT_RESTORED),
    )
}

POLICY: Final = """\
@id("crash-alone")
@reason("The crash matrix acts alone, except where it asks")
permit (principal, action == Action::"act_alone", resource)
when { principal != Playbook::"crash-question" };

@id("crash-asks")
@reason("One person agrees first")
permit (principal, action == Action::"act_with_approval", resource)
when { principal == Playbook::"crash-question" };

@id("crash-end-stuck-writer")
@reason("The crash matrix ends its own stuck writer")
permit (principal == Playbook::"crash-stuck-writer", action == Action::"act_alone", resource == Service::"shop")
when
{
    context.step.deed == Deed::"process.terminate" &&
    context.step.numbers.hasTag("patience") && context.step.numbers.getTag("patience") <= 5000
};
"""


def write_rules(folder: Path) -> None:
    """Write playbooks and policy, the same for every case."""
    for name, text in {**{f"playbooks/{one.name}.yaml": one.playbook for one in SCENARIOS.values()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "policies").mkdir()
    (folder / "policies" / "crash.cedar").write_text(POLICY)


def services_of(world: World) -> str:
    """Return the declaration of the service that this world belongs to."""
    targets = "".join(f"      - {{kind: {kind}, id: {name!r}}}\n" for kind, name in world.targets)
    return f"format: 1\nservices:\n  - name: {SERVICE}\n    owner: ann\n    mode: auto\n    targets:\n{targets}"
