"""One chat route. There is no Responses route here: asgi.py adds it."""

from __future__ import annotations

from django.urls import path

from desk.views import chat, health

urlpatterns = [
    path("v1/chat/completions", chat),
    path("health", health),
]
