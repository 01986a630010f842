"""Other bridges, to be measured beside ours: programs in environments of their own, if these were made."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.processes import ROOT, SECONDS, Process

__all__ = ["LITELLM", "PEERS", "litellm"]

LITELLM = ROOT / ".cache" / "peer" / "bin" / "litellm"
"""Made by `make bench-peer`."""

_LITELLM = {
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
"""No list of prices from the network, and no check of keys, which the bridge beside it has not either."""

_START = 180.0
"""Seconds that a peer may take to start."""


@contextmanager
def litellm(url: str) -> Iterator[Process]:
    """LiteLLM's proxy in front of a Chat server, with one worker and as little else as it can be told.

    Raises RuntimeError when it is not installed, or does not start.
    """
    if not LITELLM.exists():
        raise RuntimeError("LiteLLM's proxy is not installed; `make bench-peer` does it")
    # Its own bridge, which it takes only when told to: of such servers it asks for Responses first.
    bridged = {"use_chat_completions_api": True}
    model = {"model": "hosted_vllm/house", "api_base": url, "api_key": "none", **bridged}
    settings = {"model_list": [{"model_name": "house", "litellm_params": model}]}
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML, too
        probe.close()
        command = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        environment = os.environ | _LITELLM
        program = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            served = f"http://127.0.0.1:{port}"
            _wait_for(f"{served}/health/liveliness", program)
            yield Process(program.pid, served)
        finally:
            program.terminate()
            try:
                program.wait(SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


PEERS: dict[str, Callable[[str], AbstractContextManager[Process]]] = {"LiteLLM": litellm}
"""By name: `(url of a Chat server) -> the peer in front of it`."""


def _wait_for(url: str, program: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _START
    while program.poll() is None and time.monotonic() < ends:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{program.args!r} did not start")
