"""Services: what is watched, read from `grace.yaml`. Every mistake in it is told with its line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from grace.kit.documents import Document, Flaw, did_you_mean
from grace.kit.documents import Path as Place
from grace.kit.filesystem.plain import read_plain
from grace.kit.parsing import flaw_of, parse, validate
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Answers, Catalogue, ProbeSpec
from grace.model.noun import Noun
from grace.model.service import AllowedTarget, Mode, Service

_NOT_PATHS: Final = frozenset({"process", "port", "http", "url"})
"""Kinds of targets whose id is no path."""
_NUMBERS: Final = frozenset({Answers.NUMBER, Answers.ANYTHING})


class _Defaults(Noun):
    """What a service has that does not say otherwise."""

    owner: str | None = None
    mode: Mode | None = None
    match: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    restraint: dict[str, JsonValue] | None = None


class _ServicesFile(Noun):
    model_config = ConfigDict(populate_by_name=False, defer_build=True)

    format: Literal[1]
    environment: str | None = None
    defaults: _Defaults = _Defaults()
    services: tuple[Service, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Declared:
    """The services of a file, or the flaws for which it is refused as a whole."""

    services: tuple[Service, ...]
    flaws: tuple[Flaw, ...] = ()


def load_services(path: Path, catalogue: Catalogue, own: Path | None = None) -> Declared:
    """Return the services declared in a file. Relative paths in it begin at its folder.

    Nothing inside `own`, GRACE's own folder, may be a target.
    """
    try:
        content = read_plain(path)
    except OSError as error:
        remedy = "Write one (docs/services.md), or name another with GRACE_SERVICES_FILE."
        message = f"the services cannot be read: {error.strerror}"
        return Declared((), (Flaw(str(path), 1, 1, "unreadable", message, remedy),))
    return read_services(content, str(path), path.resolve().parent, catalogue, own)


def read_services(
    content: bytes | str, file: str, folder: Path, catalogue: Catalogue, own: Path | None = None
) -> Declared:
    """Return the services in a text, as `load_services` does."""
    document = read_yaml(content, file)
    if isinstance(document, Flaw):
        return Declared((), (document,))
    whole = parse(_with_defaults(document), _ServicesFile)
    if not isinstance(whole, _ServicesFile):
        return Declared((), whole)
    flaws = {*_repeated(document, whole.services), *_unmeasurable(document, whole.services, catalogue)}
    flaws |= {*_forbidden(document, whole.services, folder, own)} if own else set()
    if flaws:
        return Declared((), tuple(sorted(flaws)))
    return Declared(tuple(_located(service, folder) for service in whole.services))


def _with_defaults(document: Document) -> Document:
    """Write the environment and the defaults of the file into each service that does not say otherwise."""
    value = document.value
    if not isinstance(value, dict) or not isinstance(services := value.get("services"), list):
        return document
    defaults = value.get("defaults")
    common = dict(defaults) if isinstance(defaults, dict) else {}
    if "environment" in value:
        common["environment"] = value["environment"]
    merged: list[JsonValue] = [_merged(common, one) for one in services]
    return Document(document.file, {**value, "services": merged}, document.marks)


def _merged(common: Mapping[str, JsonValue], service: JsonValue) -> JsonValue:
    if not isinstance(service, dict):
        return service
    merged = {**common, **service}
    for name, value in common.items():
        own = service.get(name)
        if isinstance(value, dict) and isinstance(own, dict):
            merged[name] = {**value, **own}
    return merged


def _repeated(document: Document, services: Collection[Service]) -> Iterator[Flaw]:
    seen: set[tuple[str, str]] = set()
    names = {service.name for service in services}
    for index, service in enumerate(services):
        here: Place = ("services", index)
        if (service.name, service.environment) in seen:
            message = f"{service.name} in {service.environment} stands twice"
            yield document.flaw((*here, "name"), "repeated-service", message, "Rename one.")
        seen.add((service.name, service.environment))
        for place, other in (*enumerate(service.depends_on), *((None, one) for one in _staging(service))):
            if other not in names:
                where = (*here, "staging") if place is None else (*here, "depends_on", place)
                message = f"there is no service {other!r}"
                yield document.flaw(where, "unknown-service", message, did_you_mean(other, names))


def _staging(service: Service) -> tuple[str, ...]:
    return (service.staging,) if service.staging else ()


def _unmeasurable(document: Document, services: Collection[Service], catalogue: Catalogue) -> Iterator[Flaw]:
    for index, service in enumerate(services):
        here: Place = ("services", index)
        for name, indicator in service.indicators.items():
            yield from _probe(document, (*here, "indicators", name), indicator.probe, indicator.parameters, catalogue)
        for name, benchmark in service.benchmarks.items():
            yield from _probe(document, (*here, "benchmarks", name), benchmark.probe, benchmark.parameters, catalogue)


def _probe(
    document: Document, place: Place, name: str, parameters: dict[str, JsonValue], catalogue: Catalogue
) -> Iterator[Flaw]:
    spec = catalogue.probes.get(name)
    if spec is None:
        message = f"there is no probe {name!r}"
        yield document.flaw((*place, "probe"), "unknown-probe", message, did_you_mean(name, catalogue.probes))
        return
    if spec.answers not in _NUMBERS:
        message = f"{name} answers with {spec.answers}, and a number is needed here"
        yield document.flaw((*place, "probe"), "not-a-number", message, "Choose a probe that measures.")
    yield from _parameters(document, (*place, "with"), parameters, spec)


def _parameters(document: Document, place: Place, parameters: dict[str, JsonValue], spec: ProbeSpec) -> Iterator[Flaw]:
    model: type[BaseModel] = spec.parameters
    try:
        validate(model, parameters)
    except ValidationError as error:
        for item in error.errors():
            yield flaw_of(document, item, model, place)


def _forbidden(document: Document, services: Collection[Service], folder: Path, own: Path) -> Iterator[Flaw]:
    """Find targets in GRACE's own folder, through whatever links: what it keeps there survives every undo."""
    for index, service in enumerate(services):
        for place, target in enumerate(service.targets):
            real = Path(os.path.realpath(folder / target.id))
            if _is_path(target) and real.is_relative_to(os.path.realpath(own)):
                message = f"{target.id} lies in GRACE's own folder {own}"
                remedy = "Name files of the service, or move GRACE with GRACE_DATA_FOLDER."
                yield document.flaw(("services", index, "targets", place), "own-folder", message, remedy)


def _is_path(target: AllowedTarget) -> bool:
    return target.kind not in _NOT_PATHS and (target.kind != "command" or target.id.startswith("/"))


def _located(service: Service, folder: Path) -> Service:
    """Return the service with real paths: the name that the hands give a target is the one that is compared."""
    return service.model_copy(
        update={
            "targets": tuple(_target(one, folder) for one in service.targets),
            "evidence": tuple(_real(one, folder) for one in service.evidence),
            "pid_file": service.pid_file and _real(service.pid_file, folder),
        }
    )


def _target(allowed: AllowedTarget, folder: Path) -> AllowedTarget:
    if not _is_path(allowed):
        return allowed
    return AllowedTarget(kind=allowed.kind, id=_real(allowed.id, folder))


def _real(written: str, folder: Path) -> str:
    """Resolve the folders of a path and leave its last part alone, as the hands do; a slash at the end stays."""
    path = folder / written
    if written.endswith("/"):
        return f"{str(path.resolve()).rstrip('/')}/"
    return str(path.parent.resolve() / path.name)
