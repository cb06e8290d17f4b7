"""Command-line arguments that several commands share."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from searches.management.site import Wanted


def add_site_arguments(parser: CommandParser) -> None:
    """--host, --port, --workers, --workers-per-device."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", type=int, help="default: 8000, or the next free one")
    parser.add_argument(
        "--workers",
        default="auto",
        help="how many, or auto (default): one per CUDA device, else one per core; 0: only the pages",
    )
    parser.add_argument(
        "--workers-per-device",
        type=int,
        default=1,
        metavar="K",
        help="with --workers auto: K workers share each CUDA device (default 1); for small networks",
    )


def wanted_site(options: dict[str, Any]) -> Wanted:
    """What the arguments ask for. Raises CommandError."""
    per_device, n_workers = options["workers_per_device"], worker_count(options["workers"])
    with_pages = not options.get("no_web", False)
    if per_device < 1:
        raise CommandError(f"--workers-per-device {per_device}: write a number from 1 on")
    if per_device > 1 and n_workers is not None:
        raise CommandError("--workers-per-device goes with --workers auto: a number of workers says it all")
    if n_workers == 0 and not with_pages:
        raise CommandError("--no-web --workers 0: nothing would be left to start")
    return Wanted(options["host"], options["port"], n_workers, per_device, with_pages)


def worker_count(text: str) -> int | None:
    """The number that was written, None for auto. Raises CommandError."""
    if text == "auto":
        return None
    if not text.isdecimal():
        raise CommandError(f"--workers {text}: write auto, or a number from 0 on")
    return int(text)


def add_settings(parser: CommandParser, base: str) -> None:
    """Name, settings that differ from `base`, budget."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings_given",
        help=f"a setting that differs from {base}, such as n_steps=2 (repeatable)",
    )  # fmt: skip
    parser.add_argument("--name", default="")
    parser.add_argument("--hours", type=float, help="budget: no training of a step begins after so many hours")
    parser.add_argument(
        "--accuracy", type=float, metavar="PERCENT",
        help="budget: no step begins once a network has this validation accuracy, such as 92.5; balanced accuracy "
        "with selection=balanced",
    )  # fmt: skip


def given_settings(options: dict[str, Any]) -> dict[str, Any]:
    """What add_settings asks for, as launching takes it."""
    return {"settings": options["settings_given"], **{k: options[k] for k in ("name", "hours", "accuracy")}}
