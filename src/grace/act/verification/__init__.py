"""The contract judge, the benchmark suite, its statistics and golden baselines.

It never reads an executor's own claim.
"""
