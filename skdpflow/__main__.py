"""The command line, as ``python -m skdpflow``."""

import sys

from skdpflow._cli import main

if __name__ == "__main__":
    sys.exit(main())
