"""Settings, read from the environment (or a file `.env` beside manage.py; see .env.example).

Two homes, one code: with nothing set, SQLite files in the data folder; with DATABASE_URL (and REDIS_URL)
PostgreSQL (and Redis), for a lab with workers on many machines.
"""

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from nashweb.datafolder import data_folder, secret_key
from nashweb.environment import flag, read_env_file, words
from nashweb.models_storage import models_storage
from nashweb.queue import given_up_when_silent, make_queue

BASE_DIR = Path(__file__).resolve().parent.parent
read_env_file(BASE_DIR / ".env")

NASH_DATA_DIR = data_folder(Path(os.environ.get("NASH_DATA_DIR") or BASE_DIR / "data"))
SECRET_KEY = os.environ.get("NASH_SECRET_KEY") or secret_key(NASH_DATA_DIR)
DEBUG = flag("NASH_DEBUG")
NASH_HTTPS = flag("NASH_HTTPS")  # the site is reached by https, at a proxy in front of it

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *words("NASH_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = words("NASH_TRUSTED_ORIGINS")  # https://nash.example.org

INSTALLED_APPS = [
    "servestatic",
    "searches",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "huey.contrib.djhuey",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "nashweb.urls"
ASGI_APPLICATION = "nashweb.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The database. SQLite: IMMEDIATE takes the write lock when a transaction begins; without it, a transaction
# that reads and then writes fails at once whenever another wrote in between, whatever the timeout says.
DATABASE_URL = given_up_when_silent(os.environ.get("DATABASE_URL") or f"sqlite:///{NASH_DATA_DIR / 'nash.sqlite3'}")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=0)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Under ASGI each thread holds a connection: the pool bounds them.
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {"min_size": 0, "max_size": 16, "timeout": 20},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The queue: a hint, never the truth. Redis if there is one, else PostgreSQL, else a file of its own.
REDIS_URL = os.environ.get("REDIS_URL", "")
HUEY = make_queue(NASH_DATA_DIR, DATABASE_URL, REDIS_URL)

# The channel layer wakes nobody that matters: events are read from the database after a cursor.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Workers: how long a lease lasts without a beat, and how often each worker looks for trainings left behind.
NASH_LEASE_SECONDS = float(os.environ.get("NASH_LEASE_SECONDS") or 30)
NASH_REAP_SECONDS = float(os.environ.get("NASH_REAP_SECONDS") or 10)
# A worker that lives but makes no progress for so long is replaced by the `up` that started it.
NASH_STUCK_SECONDS = float(os.environ.get("NASH_STUCK_SECONDS") or max(60, 2 * NASH_LEASE_SECONDS))

# Searches: free bytes from which on those go on that wait because the disk was full; how long a deleted one can be
# brought back.
NASH_MIN_FREE_BYTES = float(os.environ.get("NASH_MIN_FREE_BYTES") or 500e6)
NASH_KEEP_DELETED_HOURS = float(os.environ.get("NASH_KEEP_DELETED_HOURS", "24"))
# The weights of networks that lost their step are removed once the next step has begun, unless this is set.
NASH_KEEP_LOSERS = flag("NASH_KEEP_LOSERS")

# Archives of images that are uploaded; larger ones are imported on the server by `manage.py dataset import`.
NASH_MAX_UPLOAD_BYTES = int(float(os.environ.get("NASH_MAX_UPLOAD_BYTES") or 8 * 2**30))

# Accounts.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "search_list"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_NAME = "nash_session"  # cookies know no port: keep clear of another Django on this machine
CSRF_COOKIE_NAME = "nash_csrf"

# Static files: names with a hash of the content, cached for ever; `up` collects them.
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = NASH_DATA_DIR / "static"
NASH_MODELS = os.environ.get("NASH_MODELS", "")  # finished models: "" (the data folder), a folder, s3://bucket/prefix
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "models": models_storage(NASH_MODELS),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "nashweb.staticfiles.ModuleStaticFilesStorage"
    },
}
SERVESTATIC_ALLOW_ALL_ORIGINS = False

# Security.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],  # Plotly draws its picture for download as a blob
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = NASH_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if NASH_HTTPS else 0
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # `up` asks for it without a proxy
# One machine of a lab must not promise https for the lab's other names (subdomains, preload lists).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = os.environ.get("NASH_TIME_ZONE") or "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"handlers": ["stderr"], "level": os.environ.get("NASH_LOG_LEVEL") or "INFO", "propagate": False}
        for name in ("searches", "huey")
    },
}
