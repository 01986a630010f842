"""Upstreams: the ASGI apps behind the bridge, and the record that says how each wants to be asked."""
