"""Settings of a site in whose workers faults happen that no signal can bring about (tests/durability/faults.py)."""

from nashweb.settings import *  # noqa: F403
from nashweb.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.durability.faults.Faults"]
