"""Snapshot providers, one file per kind of object; each defines what "exact" means for its kind."""
