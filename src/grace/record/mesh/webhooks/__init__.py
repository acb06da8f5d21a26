"""Outgoing webhooks: ledger entries as signed CloudEvents, delivered by the mesh to addresses that a file declares."""
