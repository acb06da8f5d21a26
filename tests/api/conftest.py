from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from grace.api.application import create_app
from grace.api.house import House
from grace.api.roles import Role
from grace.record.opening import Record, RecordPlaces, open_record
from tests.api.houses import Engine, make_house, tokens_of
from tests.api.serving import served

PATIENCE_S: Final = 60.0
"""How long an answer may take: a busy machine is no failure."""


@pytest.fixture(scope="session")
def blank_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record without entries: its schema is made once, every test gets a copy."""
    folder = tmp_path_factory.mktemp("blank") / "record"
    open_record(RecordPlaces.within(folder)).close()
    return folder


@pytest.fixture
def record(tmp_path: Path, blank_record: Path) -> Iterator[Record]:
    folder = shutil.copytree(blank_record, tmp_path / "record")
    with open_record(RecordPlaces.within(folder)) as opened:
        yield opened


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def house(record: Record, engine: Engine) -> House:
    return make_house(record, engine)


@pytest.fixture
def app(house: House) -> FastAPI:
    return create_app(house)


@pytest.fixture
def tokens(house: House) -> dict[Role, str]:
    return tokens_of(house)


@pytest.fixture(scope="session")
def no_authority() -> ssl.SSLContext:
    """Trust nobody: nothing here speaks TLS, and the list of authorities takes longer to read than most tests take."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def client(app: FastAPI, tokens: dict[Role, str], no_authority: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A client of an admin at a real server; other roles send their own header."""
    headers = {"Authorization": f"Bearer {tokens[Role.ADMIN]}"}
    with (
        served(app) as address,
        httpx.Client(
            base_url=address, headers=headers, trust_env=False, verify=no_authority, timeout=PATIENCE_S
        ) as opened,
    ):
        yield opened
