"""The model of a command, from its file."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from agnostic_ig.cli.messages import about
from agnostic_ig.model_files import file_sha256, load_model

__all__ = ["load", "name_of"]


def load(options: Namespace) -> tuple[Any, str]:
    """The model that ``--model`` names, and the digest of its file."""
    with about("--model"):
        model = load_model(options.model, trust_pickle=options.trust_pickle, sha256=options.sha256)
        return model, file_sha256(options.model)


def name_of(path: str) -> str:
    """The last part of a path, as messages name files."""
    return Path(path).name
