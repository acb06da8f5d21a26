"""The Knowledge Preloader: packs of cause rules with their sources, loaded and searched."""
