"""The only place where plugs meet sockets: open a data folder, put the rooms together, serve them."""

from grace.wiring.house import Running, open_house
from grace.wiring.offline import FolderTokens, open_tokens, rebuild_store, upgrade_store
from grace.wiring.serving import serve

__all__ = ["FolderTokens", "Running", "open_house", "open_tokens", "rebuild_store", "serve", "upgrade_store"]
