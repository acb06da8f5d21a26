"""Send the doctor round without a server: to what lies on disk, with the rights of who asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from grace.doctor import Check, examine
from grace.doctor.address import Address
from grace.doctor.clocks import Clocks, ask_kernel
from grace.doctor.ground import Ground
from grace.doctor.record import RecordOnDisk
from grace.doctor.rights import Rights
from grace.doctor.rules import PolicyLook, flawed, loaded
from grace.doctor.saying import failed, well
from grace.doctor.software import software
from grace.doctor.watched import Services
from grace.govern.policy.rules import PolicyInvalidError
from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.clock import Clock, SystemClock
from grace.kit.wording import in_words
from grace.model.catalogue import Catalogue
from grace.model.examination import CheckResult, Examination
from grace.record.mesh.webhooks.declarations import WebhooksFlawedError, load_webhooks
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.declarations import load_services
from grace.settings import Settings, secret_named
from grace.think.knowledge.checked import CheckedPacks
from grace.think.knowledge.loading import Knowledge, check_probes, load_knowledge
from grace.think.playbooks.loading import load_playbooks
from grace.wiring.house_doctor import VERSION, declared
from grace.wiring.offline import places
from grace.wiring.plugs import installed_playbooks
from grace.wiring.sources import folders_of, policy_source
from grace.wiring.workbench import catalogue

_MEND: Final = "mend the file, then grace doctor"
_LOOK: Final = "read docs/settings.md"


def examine_offline(settings: Settings, clock: Clock | None = None) -> Examination:
    """Look at what a server of these settings would find, without one; nothing is written but one nameless file."""
    clock = clock or SystemClock()
    folder = settings.data_folder.resolve()
    record = RecordOnDisk(places(settings), clock)
    address = Address(settings.host, settings.port, settings.is_public, record.usable_tokens(), None)
    checks: tuple[Check, ...] = (
        software,
        Ground(folder, clock).checks,
        Rights(settings.allow_process_control_as_root).checks,
        Clocks(clock, folder, ask_kernel).checks,
        record.checks,
        address.checks,
        lambda: _written(settings, clock),
    )
    return Examination(at=clock.now(), version=VERSION, place="offline", results=examine(checks))


def examine_services(settings: Settings, service: str | None = None, clock: Clock | None = None) -> Examination:
    """Look at the services of a file, or at one of them, with the rights of who asks."""
    clock = clock or SystemClock()
    match attempt(lambda: catalogue(settings)):
        case Returned(value=known):
            results = tuple(_services(settings, known, clock, service))
        case Raised(error=error):
            results = (_broken(error),)
    return Examination(at=clock.now(), version=VERSION, place="offline", results=results)


def _written(settings: Settings, clock: Clock) -> Iterator[CheckResult]:
    """Look at what people wrote: actions, services, knowledge, playbooks and policies."""
    match attempt(lambda: catalogue(settings)):
        case Returned(value=known):
            yield from _of_people(settings, known, clock)
        case Raised(error=error):
            yield _broken(error)


def _broken(error: Exception) -> CheckResult:
    """Say why actions and probes, ours or those of a plug, cannot be put together: then no server starts."""
    found = f"{type(error).__name__}: {in_words(error)}"
    return failed("actions.loaded", "actions and probes", found, "mend or uninstall the plug that it names")


def _of_people(settings: Settings, known: Catalogue, clock: Clock) -> Iterator[CheckResult]:
    actions = len(known.actions)
    yield well("actions.loaded", "actions", f"{actions} actions, {len(known.probes)} probes", float(actions), "actions")
    knowledge = load_knowledge(
        folders_of(settings.knowledge_folders, "knowledge"), CheckedPacks.within(settings.data_folder)
    )
    yield from _knowledge(knowledge, known)
    yield from _playbooks(settings, known, knowledge)
    yield from _policy(settings, known, clock)
    yield from _webhooks(settings)
    yield from _services(settings, known, clock)


def _knowledge(knowledge: Knowledge, known: Catalogue) -> Iterator[CheckResult]:
    flaws = (*knowledge.flaws, *check_probes(knowledge, known.probes))
    yield from flawed("knowledge.loaded", "knowledge", [str(flaw) for flaw in flaws], _MEND)
    if not flaws:
        about = f"knowledge, {len(knowledge.packs)} packs"
        yield loaded("knowledge.loaded", about, len(knowledge.rules), "entries", _LOOK)


def _playbooks(settings: Settings, known: Catalogue, knowledge: Knowledge) -> Iterator[CheckResult]:
    folders = (*folders_of(settings.playbook_folders, "playbooks"), *installed_playbooks())
    library = load_playbooks(folders, known, knowledge.causes)
    yield from flawed("playbooks.loaded", "playbooks", [str(flaw) for flaw in library.flaws], _MEND)
    if not library.flaws:
        yield loaded("playbooks.loaded", "playbooks", len(library.playbooks), "playbooks", _LOOK)


def _policy(settings: Settings, known: Catalogue, clock: Clock) -> Iterator[CheckResult]:
    try:
        policy = policy_source(settings, known).read()
    except PolicyInvalidError as error:
        yield from flawed("policy.loaded", "policy", error.problems, _MEND)
        return
    yield from PolicyLook(policy.rules, policy.decide, tuple(known.actions.values()), clock).checks()


def _webhooks(settings: Settings) -> Iterator[CheckResult]:
    about = str(settings.webhooks_file)
    if not settings.webhooks_file.exists():
        return
    try:
        hooks = load_webhooks(settings.webhooks_file, secret_named)
    except WebhooksFlawedError as error:
        yield from flawed("webhooks.loaded", about, [str(flaw) for flaw in error.flaws], _MEND)
        return
    yield well("webhooks.loaded", about, f"{len(hooks)} webhooks, their secrets found", float(len(hooks)), "webhooks")


def _services(settings: Settings, known: Catalogue, clock: Clock, name: str | None = None) -> Iterator[CheckResult]:
    if not settings.services_file.exists():
        yield from declared(settings, ())
        return
    found = load_services(settings.services_file, known, settings.data_folder.resolve())
    yield from flawed("services.loaded", str(settings.services_file), [str(flaw) for flaw in found.flaws], _MEND)
    chosen = [one for one in found.services if name in {None, one.name}]
    if name and not chosen and not found.flaws:
        known_names = ", ".join(sorted({one.name for one in found.services}))
        yield failed("services.loaded", name, "is not declared", f"name one of: {known_names}")
    elif not found.flaws:
        yield from declared(settings, found.services)
        with Eyes(found_collectors(Viewpoint(clock, secret_named))) as eyes:
            yield from Services(chosen, eyes, clock).checks()
