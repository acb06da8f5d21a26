"""The only place where plugs meet sockets: open a data folder, put the rooms together, serve them.

What is named here is imported when it is asked for: a command that looks at a log or at this machine needs no server,
and would wait for one to be imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from grace.kit.collecting import nothing_collected

if TYPE_CHECKING:
    from grace.wiring.examining import examine_offline, examine_services
    from grace.wiring.house import Running, open_house
    from grace.wiring.offline import FolderOpenError, FolderTokens, open_tokens
    from grace.wiring.serving import serve
    from grace.wiring.troubles import FLAWED, REFUSED, UNTRUSTED, UNUSABLE
    from grace.wiring.workbench import catalogue, check_knowledge, decider, knowledge_schema, known_causes, looking_back

__all__ = [
    "FLAWED",
    "REFUSED",
    "UNTRUSTED",
    "UNUSABLE",
    "FolderOpenError",
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

_MODULES: Final = {
    "examining": ("examine_offline", "examine_services"),
    "house": ("Running", "open_house"),
    "offline": ("FolderOpenError", "FolderTokens", "open_tokens"),
    "serving": ("serve",),
    "troubles": ("FLAWED", "REFUSED", "UNTRUSTED", "UNUSABLE"),
    "workbench": ("catalogue", "check_knowledge", "decider", "knowledge_schema", "known_causes", "looking_back"),
}
_WHERE: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import what is asked for, once."""
    if name not in _WHERE:
        message = f"module {__name__} has no attribute {name}"
        raise AttributeError(message)
    with nothing_collected():
        found: object = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
