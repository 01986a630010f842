"""Django's ASGI application, wrapped: the chat route answers /v1/responses as well, and turns are kept in the
project's database.

Start it in this folder: uvicorn desk.asgi:application
"""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from responses_asgi import ResponsesMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")

django = get_asgi_application()

from desk.stores import DjangoStore  # noqa: E402 - its models can be imported now that Django is set up

application = ResponsesMiddleware(django, store=DjangoStore())
