"""The verified action: the one workflow that knows the order, its stages and its recovery.

Only it and the shards know the durable engine.
"""
