"""The Agentic Error Handler inside a user's process, and the client of GRACE's API; standard library only."""
