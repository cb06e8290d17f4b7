"""Settings for the tests: a data folder of their own, no manifest of static files, a queue in memory.

NASH_TEST_ON_POSTGRES=1 runs what sees the database on NASH_TEST_DATABASE_URL instead of SQLite.
"""

import os
import tempfile
from pathlib import Path

from huey import MemoryHuey

os.environ["NASH_DATA_DIR"] = tempfile.mkdtemp(prefix="nash-tests-")
os.environ["DATABASE_URL"] = (
    os.environ["NASH_TEST_DATABASE_URL"] if os.environ.get("NASH_TEST_ON_POSTGRES") == "1" else ""
)
for _name in ("REDIS_URL", "NASH_HTTPS", "NASH_DEBUG", "NASH_ALLOWED_HOSTS", "NASH_WORKER"):
    os.environ[_name] = ""

from nashweb.queue import JSONSerializer  # noqa: E402
from nashweb.settings import *  # noqa: E402, F403
from nashweb.settings import DATABASES, NASH_DATA_DIR, STORAGES  # noqa: E402

STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SERVESTATIC_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HUEY = MemoryHuey("tests", immediate=False, results=False, serializer=JSONSerializer())

# A file, not memory: tests with threads, and those that read from a second connection, see what is there.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(Path(NASH_DATA_DIR) / "test.sqlite3")}
