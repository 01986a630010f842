"""The least that a Django 5.2 project needs to serve one streaming view."""

from __future__ import annotations

import os
from pathlib import Path

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-this-example")
DEBUG = os.environ.get("DJANGO_DEBUG", "") == "1"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["desk"]
ROOT_URLCONF = "desk.urls"
ASGI_APPLICATION = "desk.asgi.application"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "desk.middleware.require_key",
]
USE_TZ = True

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DESK_DATABASE", Path(__file__).parent.parent / "desk.sqlite3"),
        # Readers do not wait for the writer, and a transaction that will write waits at its begin.
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
        },
    }
}

# Django's default is 2.5 MB. A request with one photo in it, as base64, is larger, and would be a 400.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
