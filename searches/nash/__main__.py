"""The engine's own command line: `python -m searches.nash --data digits --preset demo --set n_steps=1`.

Runs one search without Django. Each line of its output is one event as JSON; the last one is the result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.devices import choose_device, process_environment, usable_cores
from searches.nash.presets import PRESETS, parse_setting, preset_config

if TYPE_CHECKING:
    from searches.nash.data import ImageSet
    from searches.nash.hillclimb import Outcome
    from searches.nash.runner import SearchResult

FAILED, BAD_SETTINGS, INTERRUPTED = 1, 2, 130
PREPARED = "NASH_ENGINE_PREPARED"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """One line and exit code 2, without the usage above it."""
        self.exit(BAD_SETTINGS, f"error: {message} (--help lists the options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m searches.nash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--data",
        required=True,
        metavar="DATA",
        help="digits, an imported data set, an image folder or archive",
    )
    add("--preset", metavar="NAME", help=f"{', '.join(PRESETS)}; without one, the paper's settings")
    add(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="n_steps=2 channels=16,16,16 ...",
    )
    add("--start", type=Path, metavar="ZIP", help="begin from a downloaded model in place of a fresh model_0")
    add("--out", type=Path, metavar="FILE", help="write the final model there, as a zip")
    add("--threads", type=int, metavar="N", help="CPU threads; without it, one per usable core")
    add("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:1")
    add(
        "--data-dir",
        type=Path,
        metavar="FOLDER",
        help="where imported data sets lie; NASH_DATA_DIR, else data/",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one search; returns the exit code: 0, 1 without a final model, 2 for settings or data that cannot be."""
    options = _parser().parse_args(arguments)
    try:
        config = _configured(options)
        return _search(config, options)
    except InvalidConfig as error:
        return _complain(str(error), BAD_SETTINGS)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is kept", INTERRUPTED)


def _configured(options: argparse.Namespace) -> SearchConfig:
    """The settings that were asked for. Raises InvalidConfig, for options of the command line too."""
    if options.threads is not None and options.threads < 1:
        raise InvalidConfig({"--threads": f"{options.threads} is below 1"})
    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise InvalidConfig({"--out": f"{options.out.absolute().parent} is not a folder"})
    changes = dict(parse_setting(text) for text in options.set)
    if options.preset is not None:
        return preset_config(options.preset, **changes)
    return SearchConfig.from_dict(changes)


def _search(config: SearchConfig, options: argparse.Namespace) -> int:
    import torch

    from searches.nash.data import load_dataset
    from searches.nash.imagefolder import BadArchive
    from searches.nash.network import Network
    from searches.nash.runner import SearchFailed, run_search

    torch.set_num_threads(options.threads or usable_cores())
    try:
        device = choose_device(options.device)
        dataset = load_dataset(options.data, options.data_dir)
        dataset.split(config.seed, config.n_validation, config.n_training)
        dataset.test_part(config.seed, config.n_test)
        start = Network.load(options.start) if options.start else None
    except (ValueError, BadArchive, OSError) as error:
        return _complain(str(error), BAD_SETTINGS)
    try:
        result = run_search(config, dataset, _print_event, device=device, start=start)
    except SearchFailed as error:
        return _complain(str(error), FAILED)
    _end(result, dataset, options.out)
    return 0


def _end(result: SearchResult, dataset: ImageSet, out: Path | None) -> None:
    """Write the model, if it is wanted, and print the last line."""
    from searches.nash.export import export_model, weights_sha256
    from searches.nash.hillclimb import COMPARISON_KINDS

    comparisons = [outcome for outcome in result.history if outcome.job.kind in COMPARISON_KINDS]
    if out is not None:
        info = {
            "name": f"NASH on {dataset.name}",
            "dataset": dataset.name,
            "classes": list(dataset.classes),
            "test_accuracy": result.test_accuracy,
            "lineage": _lineage(result),
            "settings": result.config.to_dict(),
        }
        export_model(result.network, out, info=info)
    _print_event(
        {
            "event": "result",
            "dataset": dataset.name,
            "test_error": 1 - result.test_accuracy,
            "n_parameters": result.n_parameters,
            "n_macs": result.network.architecture.n_macs,
            "comparisons": [_compared(result, outcome) for outcome in comparisons],
            "wall_seconds": round(result.wall_seconds, 3),
            "weights_sha256": weights_sha256(result.network),
            "out": str(out) if out else None,
        }
    )


def _compared(result: SearchResult, outcome: Outcome) -> dict[str, Any]:
    """One network beside the final one, on the last line; test_error is None where its training did not end well."""
    job, trained = outcome.job, result.comparisons.get(outcome.job.code)
    accuracy = trained.test_accuracy if trained else None
    return {
        "code": job.code,
        "status": outcome.status,
        "test_error": None if accuracy is None else 1 - accuracy,
        "n_parameters": job.architecture.n_parameters,
        "n_macs": job.architecture.n_macs,
        "epochs": job.epochs,
    }


def _lineage(result: SearchResult) -> list[str]:
    """From model_0 to the final network: what each winner changed and reached."""
    by_key = {outcome.job.key: outcome for outcome in result.history}
    outcome = by_key["final", result.config.n_steps, 0]
    lines: list[str] = []
    while outcome.job.parent is not None:
        outcome = by_key[outcome.job.parent]
        words = ", ".join(m.words() for m in outcome.job.morphisms) or "no morphism"
        lines.append(f"{outcome.job.code}: {words}; validation accuracy {outcome.val_accuracy:.4f}")
    return lines[::-1]


def _print_event(event: Mapping[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _complain(message: str, code: int) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


def _start_again_prepared() -> None:
    """Start this process anew with the environment that training needs and that is read before main()."""
    if sys.platform == "linux" and PREPARED not in os.environ:
        environment = {**process_environment(), **os.environ, PREPARED: "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    _start_again_prepared()
    sys.exit(main())
