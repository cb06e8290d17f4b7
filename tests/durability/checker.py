"""What must hold after every fault, in SQL: each query names what breaks one rule, so that no rows are good rows.

Written in what SQLite and PostgreSQL have in common. Looks at every search of the database at once.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rows = Callable[[str], list[Any]]
SETTLES_SECONDS = 15.0

N_STEPS, N_NEIGH = (f"CAST(s.config ->> '{name}' AS INTEGER)" for name in ("n_steps", "n_neigh"))
CODE = "s.name, c.kind, c.step, c.\"index\""
ENDED = "('done', 'too_big', 'diverged', 'failed', 'cancelled')"
OF_SEARCH = "FROM searches_candidate c JOIN searches_search s ON s.id = c.search_id"

RULES: dict[str, str] = {
    "children per step are as planned": f"""
        SELECT s.name, c.step, COUNT(*) {OF_SEARCH} WHERE c.kind = 'neighbour'
        GROUP BY s.id, s.name, c.step, s.config
        HAVING COUNT(*) <> {N_NEIGH} OR MIN(c."index") <> 1 OR MAX(c."index") <> {N_NEIGH}
            OR c.step NOT BETWEEN 1 AND {N_STEPS}
    """,
    "a finished search has all of its steps and one final model": f"""
        SELECT s.name, COUNT(*) {OF_SEARCH} WHERE s.status = 'finished'
        GROUP BY s.id, s.name, s.config
        HAVING SUM(CASE WHEN c.kind = 'neighbour' THEN 1 ELSE 0 END) <> {N_STEPS} * {N_NEIGH}
            OR SUM(CASE WHEN c.kind = 'final' AND c.step = {N_STEPS} AND c.status = 'done' THEN 1 ELSE 0 END) <> 1
            OR SUM(CASE WHEN c.status NOT IN {ENDED} THEN 1 ELSE 0 END) <> 0
    """,
    "a step opens only once the one before is decided": f"""
        SELECT {CODE} {OF_SEARCH} JOIN searches_candidate before ON before.search_id = s.id
        WHERE c.kind IN ('neighbour', 'final') AND before.kind IN ('pretrain', 'neighbour')
            AND before.step < c.step AND before.status NOT IN {ENDED}
    """,
    "exactly one end per slot": f"""
        SELECT {CODE}, COUNT(e.id) {OF_SEARCH}
        LEFT JOIN searches_event e ON e.search_id = s.id AND e.kind = 'candidate_ended'
            AND CAST(e.payload -> 'candidates' -> 0 ->> 'id' AS INTEGER) = c.id
        WHERE c.status IN ('done', 'too_big', 'diverged', 'failed')
        GROUP BY s.id, s.name, c.id, c.kind, c.step, c."index" HAVING COUNT(e.id) <> 1
    """,
    "each attempt is told of once": f"""
        SELECT {CODE}, c.attempt, COUNT(e.id) {OF_SEARCH}
        LEFT JOIN searches_event e ON e.search_id = s.id AND e.kind = 'candidate_started'
            AND CAST(e.payload -> 'candidates' -> 0 ->> 'id' AS INTEGER) = c.id
        GROUP BY s.id, s.name, c.id, c.kind, c.step, c."index", c.attempt HAVING COUNT(e.id) <> c.attempt
    """,
    "events are numbered without gaps": """
        SELECT s.name, s.seq, COUNT(e.id), MIN(e.seq), MAX(e.seq)
        FROM searches_search s LEFT JOIN searches_event e ON e.search_id = s.id
        GROUP BY s.id, s.name, s.seq
        HAVING COUNT(e.id) <> s.seq OR MIN(e.seq) <> 1 OR MAX(e.seq) <> s.seq OR COUNT(DISTINCT e.seq) <> s.seq
    """,
    "best is the best: the winner of a decided step, ties to the parent, else to the lower j": f"""
        SELECT {CODE}, better.kind, better.step, better."index" {OF_SEARCH}
        JOIN searches_candidate better ON better.search_id = s.id AND better.kind = c.kind AND better.step = c.step
        WHERE c.is_winner AND c.kind = 'neighbour' AND better.status = 'done' AND better.id <> c.id AND (
            better.val_accuracy > c.val_accuracy
            OR (better.val_accuracy = c.val_accuracy AND better."index" = {N_NEIGH} AND {N_NEIGH} > 1)
            OR (better.val_accuracy = c.val_accuracy AND better."index" < c."index"
                AND NOT (c."index" = {N_NEIGH} AND {N_NEIGH} > 1))
        )
    """,
    "one winner, that is done, for every step that another follows": f"""
        SELECT s.name, c.step, SUM(CASE WHEN c.is_winner AND c.status = 'done' THEN 1 ELSE 0 END) {OF_SEARCH}
        WHERE c.kind IN ('pretrain', 'neighbour') AND EXISTS (
            SELECT 1 FROM searches_candidate later
            WHERE later.search_id = s.id AND later.kind IN ('neighbour', 'final')
                AND (later.step > c.step OR (later.kind = 'final' AND later.step >= c.step)))
        GROUP BY s.id, s.name, c.step
        HAVING SUM(CASE WHEN c.is_winner AND c.status = 'done' THEN 1 ELSE 0 END) <> 1
    """,
    "children and final training descend from the winner of the step before": f"""
        SELECT {CODE} {OF_SEARCH} JOIN searches_candidate parent ON parent.id = c.parent_id
        WHERE c.kind IN ('neighbour', 'final') AND NOT (parent.is_winner
            AND parent.step = CASE WHEN c.kind = 'final' THEN c.step ELSE c.step - 1 END)
    """,
    "what runs has a live lease": f"""
        SELECT {CODE}, c.lease_expires {OF_SEARCH}
        WHERE c.status = 'running' AND (c.lease_expires IS NULL OR c.lease_expires < CURRENT_TIMESTAMP)
    """,
    "what does not run has no lease": f"""
        SELECT {CODE}, c.status, c.lease_expires {OF_SEARCH}
        WHERE c.status <> 'running' AND c.lease_expires IS NOT NULL
    """,
    "no search says that it runs with nothing left to train": f"""
        SELECT s.name FROM searches_search s WHERE s.status IN ('waiting', 'running') AND NOT EXISTS (
            SELECT 1 FROM searches_candidate c WHERE c.search_id = s.id AND c.status NOT IN {ENDED})
    """,
    "what is done has its weights, and a final training its model": f"""
        SELECT {CODE}, COUNT(a.id) {OF_SEARCH}
        LEFT JOIN searches_artifact a ON a.candidate_id = c.id AND a.format IN ('weights', 'model_zip')
        WHERE c.status = 'done' AND (c.kind = 'final' OR c.is_winner)
        GROUP BY s.id, s.name, c.id, c.kind, c.step, c."index"
        HAVING COUNT(a.id) <> CASE WHEN c.kind = 'final' THEN 2 ELSE 1 END
    """,
    "a search has the network that its settings say it was started from, and no other has one": """
        SELECT s.name FROM searches_search s LEFT JOIN searches_startnetwork n ON n.search_id = s.id
        WHERE COALESCE(s.config -> 'start' ->> 'sha256', '') <> COALESCE(n.sha256, '')
    """,
    "curves of what is done reach its last epoch, no point twice": f"""
        SELECT {CODE}, COUNT(p.id), MAX(p.epoch) {OF_SEARCH} LEFT JOIN searches_point p ON p.candidate_id = c.id
        WHERE c.status = 'done' GROUP BY s.id, s.name, c.id, c.kind, c.step, c."index", c.epochs
        HAVING COUNT(p.id) <> COUNT(DISTINCT p.optimiser_step) OR MAX(p.epoch) <> c.epochs OR MAX(p.epoch) IS NULL
    """,
}
EPOCHS = f"""
    SELECT c.id, e.seq, CAST(e.payload -> 'candidates' -> 0 ->> 'epoch' AS REAL), e.words {OF_SEARCH}
    JOIN searches_event e ON e.search_id = s.id AND e.kind = 'epoch'
        AND CAST(e.payload -> 'candidates' -> 0 ->> 'id' AS INTEGER) = c.id ORDER BY c.id, e.seq
"""
"""Epochs in the order of the log, those that a resumed training begins behind included."""

FILES = " UNION ALL ".join(
    f"SELECT file, bytes, sha256 FROM searches_{table}" for table in ("artifact", "startnetwork")
)
STATISTICS = "statistics.safetensors"


def still_broken(rows: Rows, folder: Path) -> dict[str, list[Any]]:
    """The rules that do not hold although the reaper has had the time for its rounds."""
    deadline = time.monotonic() + SETTLES_SECONDS
    while (broken := broken_rules(rows, folder)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return broken


def broken_rules(rows: Rows, folder: Path) -> dict[str, list[Any]]:
    """Each rule that does not hold, with what breaks it. `rows` answers a query; `folder` is the data folder."""
    found = {rule: rows(query) for rule, query in RULES.items()}
    found["no recorded epoch is trained again: a kill costs one epoch at most"] = _lost_epochs(rows(EPOCHS))
    found |= _files({file: (size, sha256) for file, size, sha256 in rows(FILES)}, folder, _open_folders(rows))
    return {rule: what for rule, what in found.items() if what}


def _lost_epochs(epochs: list[Any]) -> list[Any]:
    """Where a training went on from before an epoch that the log has already."""
    newest: dict[int, float] = {}
    lost = []
    for candidate, seq, epoch, words in epochs:
        if epoch < newest.get(candidate, 0.0):
            lost.append((candidate, seq, words))
        newest[candidate] = epoch
    return lost


def _open_folders(rows: Rows) -> set[str]:
    """Folders of candidates that have not ended, which may hold checkpoints: searches/<uuid>/<slug>."""
    query = f'SELECT s.uuid, c.kind, c.step, c."index" {OF_SEARCH} WHERE c.status NOT IN {ENDED}'
    return {f"{str(uuid).replace('-', '')}/{kind}-{step}-{index}" for uuid, kind, step, index in rows(query)}


def _files(named: dict[str, tuple[int, str]], folder: Path, still_open: set[str]) -> dict[str, list[Any]]:
    """Rows without their whole file, and files that no row names (statistics and open checkpoints are not named)."""
    there = {
        path.relative_to(folder).as_posix(): path
        for path in (folder / "searches").rglob("*")
        if path.is_file() and path.name != STATISTICS
    }
    allowed = {file for file in there if _slot(file) in still_open}
    return {
        "no row without its whole file": sorted(
            file for file, whole in named.items() if file not in there or _size_and_sha256(there[file]) != whole
        ),
        "no file without its row": sorted(set(there) - set(named) - allowed),
    }


def _size_and_sha256(path: Path) -> tuple[int, str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # gone since it was listed
        return 0, ""
    return len(content), hashlib.sha256(content).hexdigest()


def _slot(file: str) -> str:
    _, uuid, slot, *_ = file.split("/")
    return f"{uuid.replace('-', '')}/{slot}"
