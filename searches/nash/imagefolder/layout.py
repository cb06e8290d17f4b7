"""Which files are training and test images of which class: the image folder found in a listing."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from searches.nash.imagefolder.source import BadArchive, Entry, Listing, counted, shown, suffix_of

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp"})
TRAIN = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation"})
TEST = frozenset({"test", "testing"})
MAX_CLASSES = 1000
CONTROLS = frozenset({"Cc", "Zl", "Zp"})  # Unicode's categories of control characters and of breaks
N_NAMED = 5  # names that a message lists


@dataclass(frozen=True)
class Layout:
    """Images of the training and test part with their class numbers, in their final order.

    `test` is None where the source has no test folder. `notes`: plain sentences about what was left out.
    """

    classes: tuple[str, ...]
    train: tuple[tuple[Entry, int], ...]
    test: tuple[tuple[Entry, int], ...] | None
    notes: tuple[str, ...]


class _Image(NamedTuple):
    """An image and its path as parts: folders above it, below the root looked at, and its file name."""

    entry: Entry
    parts: tuple[str, ...]

    def below(self, depth: int) -> "_Image":
        return _Image(self.entry, self.parts[depth:])


def natural_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorting key: numbers in names by value, letters without case, then the name itself."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    key = [
        (0, len(piece.lstrip("0")), piece.lstrip("0")) if piece[0] in "0123456789" else (1, 0, piece.casefold())
        for piece in pieces
    ]
    return key, name


def find_layout(listing: Listing) -> Layout:
    """The image folder in the listing: train, val and test folders, or class folders alone.

    Wrapping folders are passed through. Classes stand in natural order, numbered from 0; images by class, then path.
    Raises BadArchive if there is none, or its classes are more than 1,000, or contradict each other.
    """
    images = [
        _Image(entry, tuple(name.split("/"))) for name, entry in listing.files.items() if suffix_of(name) in SUFFIXES
    ]
    notes = _other_files_note(listing, len(images))
    root = _train_root(listing.label, images)
    if root is None:
        prefix, classed = _class_folders(listing.label, images)
        parts = {"train": classed}
        n_stray = len(images) - len(classed)
        class_roots = {prefix}
    else:
        parts, split_notes, n_stray = _splits(images, root)
        notes += split_notes
        class_roots = {"/".join(image.parts[: len(root) + 1]) for image in images if _is_in_train(image, root)}
    if n_stray:
        notes.append(f"Left out, in no class folder: {counted(n_stray, 'image')}.")
    classes = _classes(listing.label, parts["train"])
    notes += _single_class_note(classes) + _empty_class_notes(listing, class_roots, classes)
    number = {name: i for i, name in enumerate(classes)}
    for part in ("val", "test"):
        _check_classes(listing.label, part, parts.get(part, []), number)
    if parts.get("val"):
        n = counted(len(parts["val"]), "image")
        notes.append(f"Taken as more training data: the validation folder, {n}.")
    test = _numbered(parts["test"], number) if parts.get("test") else None
    notes += _missing_class_notes(classes, test)
    return Layout(classes, _numbered(parts["train"] + parts.get("val", []), number), test, tuple(notes))


def _other_files_note(listing: Listing, n_images: int) -> list[str]:
    """Says how many files are no images. Raises BadArchive if all are."""
    others = [name for name in listing.files if suffix_of(name) not in SUFFIXES]
    if n_images == 0:
        instead = f"; it has {counted(len(others), 'other file')} such as {shown(others[0])}" if others else ""
        raise BadArchive(f"{listing.label} has no PNG, JPEG or WebP image{instead}.")
    if not others:
        return []
    return [f"Left out, no PNG, JPEG or WebP image: {counted(len(others), 'file')} such as {shown(others[0])}."]


def _train_root(label: str, images: Sequence[_Image]) -> tuple[str, ...] | None:
    """The folder that holds a train folder with class folders; the shallowest one, None if there is none."""
    roots: dict[tuple[str, ...], None] = {}
    for image in images:
        for depth, part in enumerate(image.parts[:-2]):
            if part.casefold() in TRAIN:
                roots[image.parts[:depth]] = None
                break
    if not roots:
        return None
    least = min(map(len, roots))
    shallowest = sorted(root for root in roots if len(root) == least)
    if len(shallowest) > 1:
        first, second = ("/".join((*root, "train")) for root in shallowest[:2])
        raise BadArchive(f"{label} has two train folders, {shown(first)} and {shown(second)}; import one at a time.")
    return shallowest[0]


def _splits(images: Iterable[_Image], root: tuple[str, ...]) -> tuple[dict[str, list[_Image]], list[str], int]:
    """Images per part ("train", "val", "test"; parts from the class folder on), notes, and the strays' number."""
    parts: dict[str, list[_Image]] = {"train": [], "val": [], "test": []}
    flat: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    n_stray = 0
    for image in images:
        inside = image.below(len(root)) if image.parts[: len(root)] == root else _Image(image.entry, ())
        top = inside.parts[0].casefold() if len(inside.parts) > 1 else ""
        part = "train" if top in TRAIN else "val" if top in VALIDATION else "test" if top in TEST else None
        if part is None:
            if top:
                beside[inside.parts[0]] += 1
            else:
                n_stray += 1
        elif len(inside.parts) < 3:
            flat[inside.parts[0]] += 1
        else:
            parts[part].append(inside.below(1))
    for part, aliases in (("train", TRAIN), ("val", VALIDATION), ("test", TEST)):
        parts[part] = _unwrapped(parts[part], aliases)
    notes = []
    for name, n in beside.items():
        notes.append(f"Left out, beside the train folder: {shown(name)}, {counted(n, 'image')}.")
    for name, n in flat.items():
        notes.append(f"Left out, directly in {shown(name)} without a class folder: {counted(n, 'image')}.")
    return parts, notes, n_stray


def _unwrapped(images: list[_Image], aliases: frozenset[str]) -> list[_Image]:
    """Passes through a part's folder inside a folder of the same name (train/train/<class>)."""
    while images and all(len(image.parts) > 2 and image.parts[0].casefold() in aliases for image in images):
        images = [image.below(1) for image in images]
    return images


def _class_folders(label: str, images: list[_Image]) -> tuple[str, list[_Image]]:
    """Where there is no train folder: the folder that holds the class folders, and the images in them."""
    prefix: list[str] = []
    while True:
        inside = [image for image in images if len(image.parts) > 1]
        names = {image.parts[0] for image in inside}
        deeper = {image.parts[0] for image in inside if len(image.parts) > 2}
        if {name.casefold() for name in deeper} & (TEST | VALIDATION):
            raise BadArchive(f"{label} has a test or validation folder but no train folder with class folders.")
        if not names or {name.casefold() for name in names} <= TRAIN | TEST | VALIDATION:
            raise BadArchive(f"{label} has no class folders; put the images in train/<class>/ and test/<class>/.")
        if len(names) > 1 or not deeper:
            return "/".join(prefix), inside
        prefix += names
        images = [image.below(1) for image in inside]


def class_name(part: str) -> str:
    """A folder's name as text: composed (NFC), bytes that are no UTF-8 read as Latin-1, control characters escaped.

    A terminal would obey what these say when model.py prints the name.
    """
    if any("\ud800" <= sign <= "\udfff" for sign in part):
        part = part.encode("utf-8", "surrogateescape").decode("latin-1")
    composed = unicodedata.normalize("NFC", part)
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) in CONTROLS else sign for sign in composed)


def _classes(label: str, images: Iterable[_Image]) -> tuple[str, ...]:
    """Class names in natural order. Raises BadArchive unless they are 1 to 1,000."""
    names = sorted({class_name(part) for part in {image.parts[0] for image in images}}, key=natural_order)
    if not names:
        raise BadArchive(f"{label} has no class; at least one class folder with images is needed.")
    if len(names) > MAX_CLASSES:
        raise BadArchive(f"{label} has {len(names):,} classes; at most {MAX_CLASSES:,} are possible.")
    return tuple(names)


def _check_classes(label: str, part: str, images: Iterable[_Image], number: dict[str, int]) -> None:
    """Raises BadArchive, with their names, if the part has classes that the training part lacks."""
    names = {class_name(part) for part in {image.parts[0] for image in images}}
    foreign = sorted(names - number.keys(), key=natural_order)
    if foreign:
        raise BadArchive(
            f"{label} has classes in its {part} folder that its train folder lacks: {listed(foreign)};"
            " give both the same class folders."
        )


def _numbered(images: Iterable[_Image], number: dict[str, int]) -> tuple[tuple[Entry, int], ...]:
    known: dict[str, int] = {}
    found = []
    for image in images:
        part = image.parts[0]
        if part not in known:
            known[part] = number[class_name(part)]
        found.append((image.entry, known[part]))
    return tuple(sorted(found, key=lambda pair: (pair[1], pair[0].name)))


def _is_in_train(image: _Image, root: tuple[str, ...]) -> bool:
    depth = len(root)
    return image.parts[:depth] == root and len(image.parts) > depth + 2 and image.parts[depth].casefold() in TRAIN


def _single_class_note(classes: Sequence[str]) -> list[str]:
    if len(classes) > 1:
        return []
    return [f"Only one class, {shown(classes[0])}: any network answers it, so every accuracy will be 100 %."]


def _empty_class_notes(listing: Listing, class_roots: set[str], classes: Sequence[str]) -> list[str]:
    """Names the folders that stand where class folders stand but have no images."""
    found = (folder.rpartition("/") for folder in listing.folders)
    names = {class_name(name) for parent, _, name in found if parent in class_roots}
    empty = sorted(names - set(classes), key=natural_order)
    return [f"Left out, class folders without images: {listed(empty)}."] if empty else []


def _missing_class_notes(classes: Sequence[str], test: Iterable[tuple[Entry, int]] | None) -> list[str]:
    if test is None:
        return []
    present = {label for _, label in test}
    missing = [name for i, name in enumerate(classes) if i not in present]
    return [f"Without test images: {listed(missing)}."] if missing else []


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - N_NAMED:,} more" if len(names) > N_NAMED else ""
    return ", ".join(shown(name) for name in names[:N_NAMED]) + more
