"""The demo: a real service is broken and healed before one's eyes, and every claim about it is checked.

It plays as an outsider: GRACE runs as a process of its own and is spoken to through its HTTP API, by identities with
tokens. A scene is a file; what they share is in `scene`; whoever plays is in `cast`.
"""

from grace.demo.page import Page
from grace.demo.playing import play

__all__ = ["Page", "play"]
