"""Programs of node with the SDKs that `make test-node` installs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.programs import bare_environment, finished

NODE = "RESPONSES_ASGI_NODE"
"""The environment variable with the folder where node and the SDKs are installed."""

OPENCODE = "RESPONSES_ASGI_OPENCODE"
"""The environment variable with the path of opencode."""


class Node:
    """Runs programs of node in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._packages = Path(os.environ[NODE]) / "node_modules"
        (folder / "node_modules").symlink_to(self._packages)

    def scene(self, script: str, name: str, **variables: str) -> Any:
        """Run a scene of a script beside this file, and return what it tells."""
        said = self.run((Path(__file__).parent / script).read_text(), name, **variables)
        return json.loads(said.splitlines()[-1])

    def run(self, program: str, *arguments: str, **variables: str) -> str:
        """Run a program, and return what it writes."""
        (self.folder / "program.mjs").write_text(program)
        command = [str(self._packages / ".bin" / "node"), "program.mjs", *arguments]
        done = finished(command, self.folder, {**bare_environment(self.folder), **variables})
        assert done.status == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout
