"""Where tables go: the terminal, build/, and the marked part of docs/results.md that belongs to them."""

from __future__ import annotations

import platform
import re
from importlib import metadata

from benchmarks.images import BUILD, ROOT
from searches.nash.devices import CPU_INFO
from searches.slots import usable_cores

BFLOAT16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
RESULTS = ROOT / "docs" / "results.md"
HEADS = {
    "bench": """## Speed

`make bench ARGS=--docs`. Ratios of medians of windows that take turns, so that what else the machine does meets all
alike; warm-up excluded. What each measures: the docstrings in `benchmarks/`.""",
    "precision": """## Does bfloat16 cost accuracy?

`make study-precision ARGS=--docs`. Paired trainings: the two of a pair share seed, and with it split, initialisation,
order and augmentation. lambda_start 0.05, batches of 128, one pinned thread; accuracy on the 10,000 validation
images, in float32 for both.""",
    "clipping": """## What clip_gradient_norm does to children

`make study-clipping ARGS=--docs`. model_0 of preset "small" after 2 epochs, and children of it by one morphism, one
epoch on 12,800 images in batches of 128 under each limit: validation accuracy, mean of two seeds (the lower one in
brackets).""",
    "bench-web": """## Live pages

`make bench-web ARGS=--docs`. A real `up` without workers, SQLite; epochs end by the services that workers use.
`epoch_to_pixel`: commit to the frame after Plotly has drawn, over 200 epoch ends. `push`: 200 WebSockets on one
search at 10 events a second for five minutes, from before the transaction begins; its CPU seconds are those of web
and database, since SQLite works within the web process. `page_2000`: a search of 2,000 children x 17 epochs, from
navigation to tree and curves in use; `request_p95`: of the slowest of all addresses, with it and 1,000 searches in
the list; a file that is sent in pieces counts until it begins. `tree_2000_frame`: from frame to frame while its tree
is scrolled, in a headless Chromium that draws by software, at most 60 a second.""",
}
"""Parts of the page in their order; one that was never measured is not there."""


def machine_words() -> str:
    """Processor, its bfloat16, cores and torch, in one line."""
    info = CPU_INFO.read_text() if CPU_INFO.exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", info)
    has = [words for flag, words in BFLOAT16.items() if re.search(rf"\b{flag}\b", info)] or ["no fast bfloat16"]
    processor = model[1].strip() if model else platform.processor() or platform.machine()
    return f"{processor} ({' and '.join(has)}), {len(usable_cores())} cores, torch {metadata.version('torch')}."


def put_table(name: str, table: str, *, in_docs: bool) -> None:
    """Print a table, keep it as build/<name>.md, and put it into its part of docs/results.md if asked to."""
    print(f"\n{table}", flush=True)
    BUILD.mkdir(exist_ok=True)
    (BUILD / f"{name}.md").write_text(table)
    if in_docs:
        RESULTS.write_text(with_part(RESULTS.read_text(), name, table))
        print(f"{RESULTS.relative_to(ROOT)}: part {name} written")


def with_part(text: str, name: str, table: str) -> str:
    """The page with this table in its part, between <!-- name --> and <!-- /name -->; a new part in HEADS' order."""
    part = f"<!-- {name} -->\n{HEADS[name]}\n\n{table}<!-- /{name} -->\n"
    there = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->\n", re.DOTALL)
    if there.search(text):
        return there.sub(lambda _: part, text)
    later = list(HEADS)[list(HEADS).index(name) + 1 :]
    places = [text.find(f"<!-- {other} -->") for other in later]
    place = min((p for p in places if p >= 0), default=len(text))
    return f"{text[:place].rstrip()}\n\n{part}\n{text[place:]}".rstrip() + "\n"
