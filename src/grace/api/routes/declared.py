"""What is declared in files: services and playbooks."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from grace.api.access import TheHouse, Viewer
from grace.api.house import PlaybookCard
from grace.api.paging import Page
from grace.api.problems import documented, not_found
from grace.api.texts import Identifier
from grace.govern.policy.cedar import mode_of
from grace.model.service import Mode, Service

router = APIRouter(prefix="/api", tags=["declared"])


class ServiceView(Service):
    """A service as declared, and the mode that decides: a drill is `auto`, whatever is declared."""

    effective_mode: Mode


@router.get("/services")
def list_services(_viewer: Viewer, house: TheHouse) -> Page[ServiceView]:
    """List the services of `grace.yaml`."""
    return Page(items=[_shown(service) for service in house.declared.services()])


@router.get("/services/{name}", responses=documented(HTTPStatus.NOT_FOUND))
def get_service(name: Identifier, _viewer: Viewer, house: TheHouse) -> Page[ServiceView]:
    """Show a service; one item for each environment."""
    found = [_shown(service) for service in house.declared.services() if service.name == name]
    if not found:
        not_found("service", name, "GET /api/services")
    return Page(items=found)


@router.get("/playbooks")
def list_playbooks(_viewer: Viewer, house: TheHouse) -> Page[PlaybookCard]:
    """List the playbooks that are loaded."""
    return Page(items=[card.model_copy(update={"document": ""}) for card in house.declared.playbooks()])


@router.get("/playbooks/{name}", responses=documented(HTTPStatus.NOT_FOUND))
def get_playbook(name: Identifier, _viewer: Viewer, house: TheHouse) -> PlaybookCard:
    """Show one playbook as it was written."""
    found = next((card for card in house.declared.playbooks() if card.name == name), None)
    if found is None:
        not_found("playbook", name, "grace playbook list")
    return found


def _shown(service: Service) -> ServiceView:
    return ServiceView.model_validate({**service.to_json(), "effective_mode": mode_of(service)})
