"""From incident to plan: grouping, knowledge, diagnosis and playbooks.

Nothing here touches the world.
"""
