"""The only place where plugs meet sockets: open a data folder, put the rooms together, serve them."""

from grace.wiring.examining import examine_offline, examine_services
from grace.wiring.house import Running, open_house
from grace.wiring.offline import FolderTokens, open_tokens
from grace.wiring.serving import serve
from grace.wiring.troubles import FLAWED, REFUSED, UNTRUSTED, UNUSABLE
from grace.wiring.workbench import catalogue, check_knowledge, decider, knowledge_schema, known_causes, looking_back

__all__ = [
    "FLAWED",
    "REFUSED",
    "UNTRUSTED",
    "UNUSABLE",
    "FolderTokens",
    "Running",
    "catalogue",
    "check_knowledge",
    "decider",
    "examine_offline",
    "examine_services",
    "knowledge_schema",
    "known_causes",
    "looking_back",
    "open_house",
    "open_tokens",
    "serve",
]
