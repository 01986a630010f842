"""What clients see when the server of the bridge is stopped or killed; docs/reliability.md shows this table.

`whole`: the answer came to its end. `broken`: the connection closed inside of it, or before it, which every
client library reports. `500`: an error page of the server's own.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["ENDINGS", "Ending"]

Ending: TypeAlias = str

_KILLED = {"short stream": "broken", "long stream": "broken", "long document": "broken"}

# Server -> signal -> what is on its way; "short" is what ends within the time that a server is told to wait.
ENDINGS: dict[str, dict[str, dict[str, Ending]]] = {
    "uvicorn": {
        "SIGTERM": {"short stream": "whole", "long stream": "broken", "long document": "broken or 500"},
        "SIGKILL": _KILLED,
    },
    "granian": {
        "SIGTERM": {"short stream": "whole", "long stream": "broken", "long document": "broken"},
        "SIGKILL": _KILLED,
    },
    "hypercorn": {
        "SIGTERM": {"short stream": "whole", "long stream": "broken", "long document": "broken or 500"},
        "SIGKILL": _KILLED,
    },
}
