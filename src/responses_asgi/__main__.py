"""`python -m responses_asgi`: the command line."""

from __future__ import annotations

import sys

from responses_asgi.cli import main

if __name__ == "__main__":
    sys.exit(main())
