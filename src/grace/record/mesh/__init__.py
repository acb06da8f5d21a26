"""The Trigger Mesh: delivery of ledger entries to named subscribers, durable and in order, and their live fan-out."""
