"""Model files: loaded without running code of theirs, and checked before anything trusts their numbers."""

from agnostic_ig.model_files.loading import file_sha256, load_model

__all__ = ["file_sha256", "load_model"]
