"""The Agentic Error Handler inside a user's process, and the client of GRACE's API; standard library only.

`lifecycle` is what an application calls; `logs`, `asgi` and `hooks` catch what it does not. `sighting`, `buffer` and
`recorder` run in the application's threads and are quick; `rendering`, `redaction`, `outbox`, `spool`, `delivery` and
`reporter` run in the background. `client` speaks to the API and knows nothing of the rest.
"""

from grace_sdk.lifecycle import capture, close, flush, init, progress

__all__ = ["capture", "close", "flush", "init", "progress"]
