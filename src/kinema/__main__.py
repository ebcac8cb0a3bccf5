"""`python -m kinema`."""

from kinema.apps.cli import main

main()
