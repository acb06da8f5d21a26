"""The Agentic Error Handler inside a user's process, and the client of GRACE's API; standard library only.

`lifecycle` and `operations` are what an application calls; `hooks`, `logs`, `loops`, `asgi` and `wsgi` catch what it
does not. `sighting`, `severity`, `scope`, `recorder` and `buffer` run in the application's threads and are quick;
`rendering`, `redaction`, `outbox`, `spool`, `delivery`, `sending` and `reporter` run in the background. `beginning` and
`assembly` put the parts together in a process and in its children. `client` speaks to the API and knows nothing of the
rest.
"""

from grace_sdk.lifecycle import capture, close, flush, init, progress
from grace_sdk.operations import correlation_id, operation

__all__ = ["capture", "close", "correlation_id", "flush", "init", "operation", "progress"]
