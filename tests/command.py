"""The command line from a test, in this process."""

from __future__ import annotations

import pytest

from kinema.apps.cli import main


def run(*arguments: object) -> int:
    """Run `kinema` with these arguments and give its exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code
