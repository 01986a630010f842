"""HTTP routes over kept state: stored responses, conversations, stored chat completions.

- `resources` is the app: which paths are ours, who is let in, and what is done for which method.
- `responses`, `conversations` and `chat_completions` are its tables of routes, each with what they do.
- `input_tokens`, `compact` and `replay` are the routes that are more than a look-up.
- `call` is one request; `params` is its query string.
"""

from __future__ import annotations

from responses_asgi.exchange.token_counts import CountTokens
from responses_asgi.resources.call import Ask
from responses_asgi.resources.resources import Resources

__all__ = ["Ask", "CountTokens", "Resources"]
