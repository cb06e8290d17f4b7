"""What the tests of drawings share: networks and searches to draw, and finding one's way in an SVG."""

import copy
import os
import random
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from searches.nash import (
    Architecture,
    Bounds,
    Deepen,
    Outcome,
    SearchConfig,
    SkipAdd,
    SkipConcat,
    Widen,
    draw_morphisms,
    plan,
)
from searches.nash.hillclimb import winner

GOLDEN = Path(__file__).parent.parent / "golden"
Snapshot = dict[str, Any]


def is_golden(name: str, svg: str) -> bool:
    """Whether a drawing is the one in tests/golden.

    After a change on purpose: NASH_WRITE_GOLDEN=1 pytest ..., then look at the files.
    """
    file = GOLDEN / f"{name}.svg"
    if os.environ.get("NASH_WRITE_GOLDEN"):
        file.write_text(svg + "\n", encoding="utf-8")
    return file.read_text(encoding="utf-8") == svg + "\n"


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def having(root: ET.Element, class_: str) -> list[ET.Element]:
    return [e for e in root.iter() if class_ in e.get("class", "").split()]


def words(element: ET.Element) -> list[str]:
    return [t.text or "" for t in element.iter() if t.tag.endswith("text")]


def node(root: ET.Element, snapshot: Snapshot, code: str) -> ET.Element:
    [id_] = [c["id"] for c in snapshot["candidates"] if c["code"] == code]
    [found] = [e for e in root.iter() if e.get("id") == f"node-{id_}"]
    return found


def chain(seed: int, n: int, channels: tuple[int, ...] = (32, 32, 32)) -> Architecture:
    """model_0 after n morphisms drawn as a search draws them."""
    start = Architecture.initial(channels=channels)
    return start.morphed(draw_morphisms(start, n, random.Random(seed), Bounds()))


def large(n_blocks: int, n_skips: int, seed: int = 3) -> Architecture:
    """A deep network: more blocks than bounded draws reach, widths to 256, skips across resolutions."""
    rng, net = random.Random(seed), Architecture.initial()
    while len(net.blocks) < n_blocks:
        net = Deepen(rng.choice(net.blocks), rng.choice((3, 5))).apply(net).architecture
    for name in rng.sample(net.blocks, n_blocks // 4):
        net = Widen(name, rng.choice((2, 4, 8))).apply(net).architecture
    for _ in range(n_skips):
        i, j = sorted(rng.sample(range(n_blocks), 2))
        skip = rng.choice((SkipConcat, SkipAdd))(net.blocks[i], net.blocks[j])
        net = skip.apply(net).architecture
    return net


def candidate(outcome: Outcome, id: int, ids: dict[Any, int]) -> dict[str, Any]:
    job = outcome.job
    return {
        "id": id, "kind": job.kind, "step": job.step, "index": job.index, "code": job.code,
        "parent": ids.get(job.parent), "status": outcome.status, "attempt": 1,
        "epochs": job.epochs, "epoch": float(job.epochs), "digest": job.architecture.digest,
        "n_parameters": job.architecture.n_parameters, "n_macs": job.architecture.n_macs,
        "morphisms": [{**m.to_dict(), "words": m.words()} for m in job.morphisms], "notes": list(job.notes),
        "val_accuracy": outcome.val_accuracy, "test_accuracy": None, "seal": None, "winner": False,
        "seconds": 30.0, "url": f"/searches/x/{job.kind}-{job.step}-{job.index}/", "reason": "",
    }  # fmt: skip


def accuracy(step: int, index: int, n_neigh: int) -> float:
    """Child 2 wins every step; the parent's own slot comes last."""
    return 0.7 + 0.04 * step + (0.02 if index == 2 else 0.001 * (n_neigh - index) if index else 0.0)


def played(config: SearchConfig, n_trainings: int, status: str = "running") -> Snapshot:
    """The snapshot of a search whose first n trainings are done, the rest of the open step waiting."""
    history: list[Outcome] = []
    rows: list[dict[str, Any]] = []
    ids: dict[Any, int] = {}
    while jobs := plan(config, history):
        for job in jobs:
            known = len(rows) < n_trainings
            final = job.kind not in ("pretrain", "neighbour")
            value = None if final else accuracy(job.step, job.index, config.n_neigh)
            outcome = Outcome(job, "done", value)
            ids[job.key] = len(rows) + 1
            rows.append(candidate(outcome, len(rows) + 1, ids))
            if known:
                history.append(outcome)
                rows[-1]["test_accuracy"] = 0.8 if final else None
            else:
                rows[-1].update(status="pending", epoch=0.0, val_accuracy=None, seconds=None)
        if rows[-1]["status"] == "pending":
            break
    for step in range(config.n_steps + 1):
        best = winner(history, step)
        row = [r for r in rows if r["step"] == step and r["kind"] in ("pretrain", "neighbour")]
        if best and all(r["status"] == "done" for r in row):
            rows[ids[best.job.key] - 1]["winner"] = True
    best_id = max((r["id"] for r in rows if r["winner"]), default=None)
    return {"config": config.to_dict(), "status": status, "candidates": rows, "best": best_id}


def in_state(snapshot: Snapshot, code: str, /, **fields: Any) -> Snapshot:
    changed = copy.deepcopy(snapshot)
    next(c for c in changed["candidates"] if c["code"] == code).update(fields)
    return changed
