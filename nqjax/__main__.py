"""`python -m nqjax` is the `nqjax` command."""

import sys

from nqjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
