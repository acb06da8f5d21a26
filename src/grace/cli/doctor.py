"""`grace doctor`: looks at every door, probe, permission and clock, and says of each what to fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from grace_sdk.client import Json
from rich.text import Text

from grace import wiring
from grace.cli.addresses import Address, find_address
from grace.cli.exits import Exit
from grace.cli.round_trip import RoundTrip
from grace.cli.screen import Screen, marked
from grace.cli.visiting import Data, Server, Token, command_file, offline
from grace.cli.wording import counted
from grace.kit.clock import SystemClock
from grace.model.examination import CheckResult, Examination, Health
from grace.settings import Settings, SettingsInvalidError, load_client_settings, load_settings

app = command_file()

_HEADINGS: Final = {
    "settings": "Settings",
    "online": "The server, as this command reaches it",
    "software": "Software",
    "folder": "Data folder",
    "rights": "Rights",
    "clock": "Clocks",
    "record": "Record",
    "address": "Address",
    "actions": "What was written",
    "knowledge": "What was written",
    "playbooks": "What was written",
    "policy": "What was written",
    "webhooks": "What was written",
    "server": "The server, as it sees itself",
    "services": "Services",
    "service": "Services",
}


@app.command("doctor")
@offline
def doctor(
    screen: Screen,
    *,
    services: Annotated[
        Path | None, typer.Option("--services", metavar="FILE", help="Look at this grace.yaml, with your own rights.")
    ] = None,
    service: Annotated[str | None, typer.Option("--service", metavar="NAME", help="Look at one service alone.")] = None,
    data: Data = None,
    server: Server = "",
    token: Token = "",
) -> None:
    """Look at everything that GRACE needs and say what to fix; nothing is changed. Exit 1 if anything failed.

    Where a server answers, it looks with its own eyes and rights; else this process looks at what lies on disk.
    """
    try:
        settings = load_settings(services_file=services, data_folder=data)
    except SettingsInvalidError as error:
        _show(screen, "offline", [_setting(problem) for problem in error.problems])
        raise typer.Exit(Exit.FAULT) from None
    address = find_address(server, token, data)
    visit = RoundTrip(address, SystemClock())
    results = [*_settings_are_valid(), *visit.reached(is_named=_is_named(server))]
    if visit.is_alive:
        results += visit.checks()
        results += visit.examination(service)
        place = "server"
        if services is not None:
            results += wiring.examine_services(settings, service).results
    else:
        place = "offline"
        results += _on_disk(settings, service)
    _show(screen, place, results, address)
    raise typer.Exit(Exit.FAULT if any(one.health is Health.FAILED for one in results) else Exit.DONE)


def _on_disk(settings: Settings, service: str | None) -> Sequence[CheckResult]:
    found: Examination = wiring.examine_services(settings, service) if service else wiring.examine_offline(settings)
    return found.results


def _is_named(server: str) -> bool:
    return bool(server or load_client_settings().server)


def _setting(problem: str) -> CheckResult:
    return CheckResult(
        check="settings.valid",
        about="environment",
        health=Health.FAILED,
        found=problem,
        next="unset it, or write it as docs/settings.md says",
    )


def _settings_are_valid() -> Iterator[CheckResult]:
    yield CheckResult(
        check="settings.valid", about="environment", health=Health.OK, found="every GRACE_ variable is known"
    )


def _show(screen: Screen, place: str, results: Sequence[CheckResult], address: Address | None = None) -> None:
    counts = Counter(one.health for one in results)
    if screen.as_json:
        told: dict[str, Json] = {"place": place, "server": address.url if address else None}
        told["counts"] = {health.value: counts[health] for health in Health}
        told["results"] = [one.to_json() for one in results]
        screen.data(told)
        return
    heading = ""
    for one in results:
        now = _HEADINGS.get(one.check.partition(".")[0], "Else")
        if now != heading:
            heading = now
            screen.heading(heading)
        screen.line(Text.assemble("  ", marked(one.health.value, f"{one.about}: {one.found}")))
        if one.next:
            screen.line(f"      next: {one.next}")
    screen.line()
    screen.line(", ".join(f"{counts[health]} {health.value}" for health in Health))
    screen.line(f"next: {_next_step(results)}")


def _next_step(results: Sequence[CheckResult]) -> str:
    for health in (Health.FAILED, Health.WARNING, Health.UNKNOWN):
        worst = [one for one in results if one.health is health]
        if worst:
            return f"{worst[0].next}  ({counted(len(worst), health.value, health.value)})"
    return "grace source test"
