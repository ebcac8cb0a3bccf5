"""The check of types and shapes that the tests lay over the package."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

# An int is a float here, as it is to pyright.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
