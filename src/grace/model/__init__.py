"""The nouns: frozen, typed values that walk through the house from left to right.

A file for each noun; no input or output, no clock, no chance. Every other room speaks in these words.
"""
