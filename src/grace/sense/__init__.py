"""Signals and measurements in: the doors that accept signals and the eyes that measure.

Nothing here judges or acts.
"""
