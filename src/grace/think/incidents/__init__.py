"""Fingerprints, grouping of signals into incidents, and storm control."""
