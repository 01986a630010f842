"""Both APIs in front of many upstreams, chosen by the model that is asked for.

- `gateway` is the app: which of its endpoints a request is for.
- `routing` is the table from model names to upstreams; `models` lists it to clients.
- `service` is what the gateway tells about itself, `cors` what it tells browsers.
"""
