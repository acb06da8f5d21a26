"""The switch that stops new deeds within a second and never blocks a way back."""
