"""make bench-web: how live and how quick the pages are, into build/bench.json.

A real `up` without workers; this process writes rows by the services that workers use. Ten minutes; nothing else
should run beside it. ARGS=--quick is a smoke run of seconds (build/bench-quick.json); ARGS="--only push" measures a
part; ARGS=--docs puts the table into docs/results.md.
"""

from __future__ import annotations

import argparse
import sys
import traceback

from benchmarks.images import BUILD
from benchmarks.measures import Measures, divided, printed, read_json, write_json
from benchmarks.quiet import warn_if_busy
from benchmarks.report import machine_words, put_table
from benchmarks.web import pages, pixel, push
from benchmarks.web.site import Site, running_site

PARTS = ("pixel", "push", "pages")


def measured(site: Site, part: str, *, quick: bool) -> Measures:
    if part == "pixel":
        return pixel.measures_of(site, n_epochs=10 if quick else 200)
    if part == "push":
        return push.measures_of(site, n_browsers=20 if quick else 200, seconds=5.0 if quick else 300.0)
    size = {"n_children": 40, "n_searches": 12, "repeats": 1} if quick else {
        "n_children": 2000, "n_searches": 1000, "repeats": 5,
    }  # fmt: skip
    return pages.measures_of(site, **size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the numbers mean nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--docs", action="store_true", help="put the table into docs/results.md too")
    chosen = parser.parse_args()
    warn_if_busy()
    measures: Measures = {}
    failed = []
    path = BUILD / ("bench-quick.json" if chosen.quick else "bench.json")
    with running_site() as site:
        for part in chosen.only:
            try:
                found = measured(site, part, quick=chosen.quick)
            except Exception:  # what another part measures is worth having
                traceback.print_exc()
                failed.append(part)
                continue
            print(f"{part}\n{printed(found)}", file=sys.stderr, flush=True)
            measures |= found
            write_json({**read_json(path), **found}, path)
    if not chosen.quick:  # parts that were left out are as they were measured before
        measures = divided(read_json(path))[1]
    table = f"{machine_words()}\n\n{printed(measures)}"
    in_docs = chosen.docs and not chosen.quick and not failed
    put_table("bench-web-quick" if chosen.quick else "bench-web", table, in_docs=in_docs)
    print(f"{path} written")
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}; what went wrong stands above")


if __name__ == "__main__":
    main()
