"""GRACE heals running software and can prove that it did no harm."""
