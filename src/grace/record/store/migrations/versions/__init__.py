"""One file per step, named by its number; a published step is never edited."""
