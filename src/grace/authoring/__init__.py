"""What outsiders write with: `playbook` for pure functions that draft a plan, `action` for hands of their own.

`playbook` needs the standard library alone: it is imported by the small process in which a playbook is called.
"""
