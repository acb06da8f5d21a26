"""The sentinel: from an incident to a diagnosis, from a diagnosis to the playbook that fits, and to its plan.

Pure: rules, playbooks and time come in as values; the world is read only through the ports of `think/playbooks`.
"""
