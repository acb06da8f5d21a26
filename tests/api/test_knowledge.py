from __future__ import annotations

import httpx

from grace.api.roles import Role


def test_knowledge_is_listed_shown_searched_and_tried(client: httpx.Client, tokens: dict[Role, str]) -> None:
    client.headers["Authorization"] = f"Bearer {tokens[Role.VIEWER]}"
    cards = client.get("/api/knowledge").json()["items"]
    packs = {one["name"]: one for one in client.get("/api/knowledge/packs").json()["items"]}
    entry = client.get("/api/knowledge/sqlite-busy").json()
    passages = client.get("/api/knowledge/search", params={"q": "disk", "limit": 3}).json()["items"]
    tried = client.post("/api/knowledge/test", json={"message": "sqlite3.OperationalError: database is locked"}).json()

    assert {"databases", "network", "system", "cloud", "ai"} <= set(packs)
    assert all(packs[name]["entries"] >= 20 for name in ("databases", "network", "system", "cloud", "ai"))
    assert {"id", "pack", "cause", "kind", "title", "versions", "source"} == set(cards[0])
    assert (entry["pack"], entry["kind"], entry["entry"]["cause"]) == ("databases", "lock", "database_locked")
    assert passages[0]["source"]
    assert (tried["cause"], tried["kind"], tried["never_acts"]) == ("database_locked", "lock", False)
    assert tried["labels"]["engine"] == "sqlite"
    assert tried["evidence"][0]["source"].startswith("SQLite")
    assert tried["advice"]


def test_an_entry_that_nobody_wrote_is_not_found(client: httpx.Client, tokens: dict[Role, str]) -> None:
    answer = client.get("/api/knowledge/nothing", headers={"Authorization": f"Bearer {tokens[Role.VIEWER]}"})

    assert answer.status_code == 404
