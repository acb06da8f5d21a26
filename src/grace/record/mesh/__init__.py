"""The Trigger Mesh: delivery of ledger entries to subscribers by cursor, replay and live fan-out."""
