"""A small order service on SQLite: real commits, real locks, real limits, and the SDK that tells of its failures."""
