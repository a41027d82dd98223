"""All settings. They are read once, from environment variables.

If a value is invalid, scrm does not start, and the error names the variable.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

from csp.constants import NONE, SELF
from environs import Env, EnvError

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "only-for-development" if DEBUG else None)
SECRETS_KEYS = env.list("SCRM_SECRETS_KEYS")
"""Fernet keys, newest first: the first encrypts, all decrypt."""
PUBLIC_URL = env.str("SCRM_PUBLIC_URL", "http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
ALLOW_CIDRS = tuple(ip_network(cidr) for cidr in env.list("SCRM_ALLOW_CIDRS", []))
"""Private networks that requests may reach, for example that of an intranet's feed server."""
SAMPLE_SWITCHER = env.bool("SCRM_SAMPLE_SWITCHER", False)
"""Let users of the sample switch to each other without a password, on this machine only."""

REDIS_URL = env.str("REDIS_URL")
DATABASES = {"default": env.dj_db_url("DATABASE_URL", conn_max_age=600, conn_health_checks=True)}
# Random reads are cheap, because the data in use is in memory or on flash. The JIT compilation of a
# query takes longer than it saves.
DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
    "options", "-c random_page_cost=1.1 -c jit=off"
)
# Otherwise the choices of each form would open a server-side cursor in the database.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASES["default"]["TEST"] = {"NAME": os.environ.get("SCRM_TEST_DB")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "scrm",
    "scrm.channels.sandbox",
    "crm",
    "listening",
    "routing",
    "responses",
]
MIDDLEWARE = [
    # First, because every log line needs the id of its request.
    "scrm.web.middleware.request_log",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "scrm.web.gzip.Pages",
    "scrm.web.gzip.Files",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "crm.zone.WorkspaceZone",
    "scrm.web.middleware.login_inside_htmx",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "scrm.urls"
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
                "scrm.pages.navigation.shell",
                "crm.adapter.mail_facts",
                "scrm.sample.switcher.people",
            ],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "NAME": "jinja",
        "DIRS": [BASE_DIR / "templates" / "jinja"],
        "OPTIONS": {"environment": "scrm.web.jinja.environment", "extensions": ["jinja2.ext.i18n"]},
    },
]
FORM_RENDERER = "django.forms.renderers.Jinja2"  # ten times as fast for long selects

# Who can log in: invited staff, by mail address and password.
AUTH_USER_MODEL = "crm.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "crm.adapter.StaffOnly"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# Mail is sent only by EMAIL_URL; without it nothing is sent, and pages say so.
MAIL = env.dj_email_url("EMAIL_URL", "dummy:")
if "EMAIL_BACKEND" not in MAIL:
    raise EnvError(
        'Environment variable "EMAIL_URL" invalid: begin it with submission:// or smtp://'
    )
EMAIL_BACKEND = MAIL["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = MAIL["EMAIL_HOST"], MAIL["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL["EMAIL_HOST_USER"], MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_SSL, EMAIL_USE_TLS = MAIL["EMAIL_USE_SSL"], MAIL["EMAIL_USE_TLS"]
EMAIL_TIMEOUT = MAIL["EMAIL_TIMEOUT"] or 10
DEFAULT_FROM_EMAIL = MAIL.get("DEFAULT_FROM_EMAIL", "scrm@localhost")

# In the memory of each process, because the login limiter must also work when Redis does not.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
# Only behind a proxy with https, because otherwise a client could set this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Allow only our own files, so that text from outside cannot run scripts or load images.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", str(BASE_DIR / "var" / "media")))
_WITNESS = env.str("SCRM_WITNESS_DIR", str(BASE_DIR / "var" / "witness"))
WITNESS_DIR = Path(_WITNESS) if _WITNESS else None
"""Where the high-water mark of send attempts is stored; None to store it in Redis only."""
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# Settings that an administrator may change.
UNDO_SECONDS = env.int("SCRM_UNDO_SECONDS", 10)
SANDBOX_SECONDS = env.float("SCRM_SANDBOX_SECONDS", 60.0)
"""How often the sandbox's people act, if there is an account for it; 0 means never."""
TICK_SECONDS = env.float("SCRM_TICK_SECONDS", 2.0)
SEND_LEASE_SECONDS = env.int("SCRM_SEND_LEASE_SECONDS", 120)
"""Longer than the hard time limit of the task that sends: a lapsed lease means a dead sender."""
FETCH_LEASE_SECONDS = env.int("SCRM_FETCH_LEASE_SECONDS", 120)
PROCESS_LEASE_SECONDS = env.int("SCRM_PROCESS_LEASE_SECONDS", 60)
STALE_SEND_SECONDS = 15 * 60

CELERY_BROKER_URL = REDIS_URL

LOGGING_CONFIG = None
