"""Engines answer for models: structural ones from what was fitted, the numeric one from predictions alone.

A new family is one reader in `readers/` and one line in `_registry.READERS`.
"""
