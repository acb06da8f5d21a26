"""Tables, sessions and migrations of GRACE's own database.

No other package states a schema.
"""
