"""`python -m kinema`, and the command `kinema`."""

import os
import sys


def run() -> None:
    """Run the command line; Ctrl-C while it is imported ends it as Ctrl-C later does."""
    try:
        from kinema.apps.cli import main
    except KeyboardInterrupt:
        sys.stderr.write("kinema: interrupted\n")
        os._exit(130)
    main()


if __name__ == "__main__":
    run()
