#!/usr/bin/env python3
"""Django's command line; `python manage.py help` lists the commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nashweb.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"{sys.executable} has no Django: run `make setup`, then `.venv/bin/python manage.py ...`"
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
