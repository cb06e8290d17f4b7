"""Command-line arguments that several commands share."""

from django.core.management.base import CommandError, CommandParser


def add_site_arguments(parser: CommandParser) -> None:
    """--host, --port, --workers."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", type=int, help="default: 8000, or the next free one")
    parser.add_argument(
        "--workers", default="auto", help="how many, or auto (default): one per CUDA device, else one per core"
    )


def worker_count(text: str) -> int | None:
    """The number that was written, None for auto. Raises CommandError."""
    if text == "auto":
        return None
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise CommandError(f"--workers {text}: write auto or a number from 1 on")
    return count
