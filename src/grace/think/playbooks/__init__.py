"""The playbook format: schema, loading, references, lint and playbook tests."""
