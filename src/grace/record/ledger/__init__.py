"""The Immutable Ledger: append-only Merkle log, signed checkpoints, proofs and the offline verifier."""
