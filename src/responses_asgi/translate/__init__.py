"""The pure core: requests, stream machines and the fold. No I/O, no clock, no randomness, no ASGI."""
