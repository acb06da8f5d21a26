"""Redaction: the SDK's own rules, so that what is hidden in the user's process is hidden here by the same words."""

from grace_sdk.redaction import REDACTED, is_secret_name, redact, redact_labels, redact_text

__all__ = ["REDACTED", "is_secret_name", "redact", "redact_labels", "redact_text"]
