"""Weights from a hub: downloaded once, pinned, checked, kept on a shelf."""
