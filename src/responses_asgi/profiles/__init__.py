"""How Chat Completions servers depart from OpenAI's own, as one table of data.

1. A `Profile` is the only place where a server's habits live; translation reads fields, never names.
2. The profile is chosen by name, else guessed from the host name alone, else it is `generic`, which asks
   nothing of a server that a hand-written chat endpoint would not understand.
3. Each row cites a public document, or the id of a recorded exchange that shows the habit.
"""

from __future__ import annotations

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles.profile import OPENAI_ONLY, OTHER_TOOLS, Profile, ToolPolicy
from responses_asgi.profiles.rows import ROWS

__all__ = [
    "OPENAI_ONLY",
    "OTHER_TOOLS",
    "PROFILES",
    "PROFILE_ALIASES",
    "Profile",
    "ToolPolicy",
    "profile_for",
]

PROFILES: dict[str, Profile] = {row.name: row for row in ROWS}
"""Every built-in profile by its name."""

PROFILE_ALIASES: dict[str, str] = {
    "alibaba": "qwen",
    "gemini-compat": "gemini",
    "google": "gemini",
    "kimi": "moonshot",
    "llama.cpp": "llamacpp",
    "mistralrs": "generic",
    "vercel": "vercel-gateway",
}
"""Other names people use for a built-in profile."""

_BY_HOST = {host: row for row in ROWS for host in row.hosts}


def profile_for(profile: str | Profile | None, host: str | None = None) -> Profile:
    """The profile to use: `profile` by name or as it is, else guessed from `host`, else `generic`.

    `host` is the host name of the upstream's URL; a port is ignored, and so are addresses and local names.
    Raises ConfigurationError, naming all profiles, when there is none called `profile`.

    >>> profile_for(None, "api.deepseek.com").name, profile_for(None, "localhost:8000").name
    ('deepseek', 'generic')
    """
    if isinstance(profile, Profile):
        return profile
    if profile is not None:
        name = profile.strip().lower()
        found = PROFILES.get(PROFILE_ALIASES.get(name, name))
        if found is None:
            raise ConfigurationError(
                f"There is no profile called {profile!r}; known are {', '.join(sorted(PROFILES))}."
            )
        return found
    labels = (host or "").lower().partition(":")[0].rstrip(".").split(".")
    for start in range(len(labels)):
        guess = _BY_HOST.get(".".join(labels[start:]))
        if guess is not None:
            return guess
    return PROFILES["generic"]
