"""`python -m responses_asgi`: the command line."""

from __future__ import annotations

import sys

from responses_asgi.cli import main

sys.exit(main())
