"""Doors, one file per source: each turns a foreign message into signals and accepts them durably before it says yes."""
