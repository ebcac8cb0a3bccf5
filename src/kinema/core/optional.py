"""Packages that are not installed with kinema: asked for where they are needed, by the extra that brings them."""

from __future__ import annotations

import importlib
from typing import Any

from kinema.core.errors import UsageError


def require(package: str, extra: str, purpose: str) -> Any:
    """The package, imported. Raises UsageError where it is not installed, naming the extra of kinema that has it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            expected=f"{package}, {purpose}", got="no such package", cure=f"pip install 'kinema[{extra}]'."
        ) from error
