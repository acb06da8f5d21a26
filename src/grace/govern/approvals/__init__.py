"""Questions to named people about one plan digest: single use, expiring into no."""
