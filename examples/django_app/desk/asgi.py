"""Django's ASGI application, wrapped: the chat route answers /v1/responses as well.

Start it in this folder: uvicorn desk.asgi:application
"""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from responses_asgi import ResponsesMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")

application = ResponsesMiddleware(get_asgi_application())
