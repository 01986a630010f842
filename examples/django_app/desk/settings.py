"""The least that a Django 5.2 project needs to serve one streaming view."""

from __future__ import annotations

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-this-example")
DEBUG = os.environ.get("DJANGO_DEBUG", "") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "desk.urls"
ASGI_APPLICATION = "desk.asgi.application"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "desk.middleware.require_key",
]
USE_TZ = True

# Django's default is 2.5 MB. A request with one photo in it, as base64, is larger, and would be a 400.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
