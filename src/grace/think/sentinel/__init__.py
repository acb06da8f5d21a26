"""The Input Sentinel: diagnoses an incident, chooses a playbook and renders the plan."""
