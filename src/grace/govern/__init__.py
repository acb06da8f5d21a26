"""May it be done: policy, approvals and halt.

They answer with values; the healing workflow and the executors obey.
"""
