"""make bench: every ratio in one run, as a table and in build/bench.json.

On all of CIFAR-10, in about ten minutes on two cores; nothing else should run beside it. ARGS="--quick" is a smoke
run whose numbers mean nothing (build/bench-quick.json). ARGS="--only train --network A" measures a part and keeps
the other measures in build/bench.json. ARGS="--search DATA_DIR/UUID" takes search_overhead from a finished search.
ARGS=--docs writes docs/results.md too, unless other work took much of the machine at the beginning or at the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from time import perf_counter

from benchmarks import data_path, exporting, importing, overhead, peak, side_by_side, train, validation
from benchmarks.images import BUILD, NoImages
from benchmarks.measures import Measures, divided, printed, read_json, write_json
from benchmarks.quiet import is_much, warn_if_busy
from benchmarks.report import machine_words, put_table
from benchmarks.settings import Settings, add_arguments, settings_of
from benchmarks.windows import Rates

PARTS = ("train", "data_path", "peak", "validation", "overhead", "side_by_side", "importing", "exporting")


def measured(settings: Settings, parts: list[str], *, search: Path | None, quick: bool) -> Measures:
    """The measures of these parts, told as they come; shares of the peak need `train` and `peak`."""
    measures: Measures = {}
    rates: dict[str, Rates] = {}
    peaks: dict[str, float] = {}
    began = perf_counter()
    for part in parts:
        if part == "train":
            for network in settings.networks:
                rates[network] = train.rates_of(network, settings)
                found = train.measures_of(network, rates[network])
                measures |= _told(found, f"train {network}", began)
            continue
        if part == "peak":
            peaks = peak.peaks_of(settings, peak.QUICK_SIDES if quick else peak.SIDES)
            found = peak.measures_of(peaks, rates)
        elif part == "data_path":
            found = data_path.measures_of(settings)
        elif part == "validation":
            found = validation.measures_of(settings, trained_steps=5 if quick else validation.TRAINED_STEPS)
        elif part == "side_by_side":
            found = side_by_side.measures_of(quick=quick)
        elif part == "importing":
            try:
                found = importing.measures_of(quick=quick)
            except NoImages as error:  # imported arrays are there, which all other parts need, but no archive
                print(f"importing is left out: {error}", file=sys.stderr)
                continue
        elif part == "exporting":
            found = exporting.measures_of(quick=quick)
        else:
            found = overhead.measures_of(search, quick=quick)
        measures |= _told(found, part, began)
    return measures


def _told(found: Measures, part: str, began: float) -> Measures:
    print(f"{part}, at {perf_counter() - began:.0f} s\n{printed(found)}", file=sys.stderr, flush=True)
    return found


def _busy_words(shares: list[float | None]) -> str:
    """What else the machine did when this began and when it ended."""
    known = [f"{100 * share:.0f} %" for share in shares if share is not None]
    return f" Other work, at the beginning and at the end: {', '.join(known)} of the cores." if known else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--search", type=Path, metavar="DATA_DIR/UUID", help="a finished search of preset small")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/results.md too")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    settings = settings_of(chosen)
    busy = [warn_if_busy()]
    measures = measured(settings, chosen.only, search=chosen.search, quick=chosen.quick)
    busy.append(warn_if_busy())
    if len(chosen.only) < len(PARTS) and not chosen.quick:
        measures = {**divided(read_json(_path(quick=False)))[0], **measures}
    keep(measures, busy, quick=chosen.quick, docs=chosen.docs)


def keep(measures: Measures, busy: list[float | None], *, quick: bool, docs: bool) -> None:
    """Write build/, and docs/results.md if asked to; leaves with words where other work forbids that.

    `busy`: the share of the cores that other work took at the beginning and at the end.
    """
    path, disturbed = _path(quick=quick), any(is_much(share) for share in busy)
    _, of_pages = divided(read_json(path))
    write_json({**measures, **of_pages}, path)
    table = f"{machine_words()}{_busy_words(busy)}\n\n{printed(measures)}"
    put_table(path.stem, table, in_docs=docs and not quick and not disturbed)
    print(f"{path} written")
    if docs and disturbed:
        sys.exit(f"docs/results.md is left as it is.{_busy_words(busy)} Measure again when that has ended.")


def _path(*, quick: bool) -> Path:
    return BUILD / ("bench-quick.json" if quick else "bench.json")


if __name__ == "__main__":
    main()
