"""`manage.py model`: what a downloaded model is and says of image files, and the files of a model of this site."""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from searches.management import saving
from searches.management.launching import find, find_candidate
from searches.management.site import ends_when_told
from searches.nash.model_file import read_model_file
from searches.nash.model_zip import DamagedModel
from searches.selectors.exporting import as_text

if TYPE_CHECKING:
    from searches.nash.prediction import Broken, Prediction

STDOUT = Path("-")
LINEAGE_SHOWN = 40


class Command(BaseCommand):
    help = "Look at a downloaded model, classify images with it, or write the files of a model of this site."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="predict | show | export")
        predict = verbs.add_parser("predict", help="class and probability of each image; needs no database")
        predict.add_argument("zip", type=Path, help="a downloaded model.zip, or its folder")
        predict.add_argument("folder", type=Path, help="images (PNG, JPEG, WebP), also in folders below; or one file")
        predict.add_argument(
            "--csv", type=Path, nargs="?", const=STDOUT, metavar="FILE", help="as CSV, into FILE or else to stdout"
        )
        predict.add_argument("--all", action="store_true", help="with --csv: the probability of every class")
        predict.add_argument("--batch", type=int, default=250, metavar="N", help="images in memory at a time (250)")
        predict.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:1")
        show = verbs.add_parser("show", help="what a downloaded model says of itself; needs no database")
        show.add_argument("zip", type=Path, help="a downloaded model.zip, or its folder")
        export = verbs.add_parser("export", help="all files of a model, as `search files` writes them")
        export.add_argument("model", metavar="SEARCH|CANDIDATE", help="a search's uuid, or uuid:code as in 3f2a:2.1")
        export.add_argument("--to", type=Path, required=True, metavar="DIR", help="made if it is not there")

    def handle(self, *, verb: str, **options: Any) -> None:
        getattr(self, f"handle_{verb}")(options)

    # ------------------------------------------------------------------ downloaded models

    def handle_predict(self, options: dict[str, Any]) -> None:
        """One line an image; what is broken goes to stderr, and makes the exit code 1."""
        from searches.nash.devices import choose_device
        from searches.nash.network import Network
        from searches.nash.prediction import classify, image_files

        if options["batch"] < 1:
            raise CommandError(f"--batch {options['batch']}: at least 1")
        with _in_words():
            file = read_model_file(options["zip"])
            network = Network.load(options["zip"]).to(choose_device(options["device"]))
            paths, n_others = image_files(options["folder"])
            names = file.classes or tuple(f"class {k}" for k in range(file.architecture.n_classes))
            if not paths:
                raise CommandError(f"{options['folder']} holds no PNG, JPEG or WebP image.")
            found = classify(network, paths, batch_size=options["batch"])
            n_broken = self._write(found, names, options)
        others = f", {n_others} other files left alone" if n_others else ""
        skipped = f", {n_broken} broken and skipped" if n_broken else ""
        self.stderr.write(f"{len(paths) - n_broken} of {len(paths)} images classified{skipped}{others}.")
        if n_broken:
            raise SystemExit(1)

    def _write(self, found: Iterable["Prediction | Broken"], names: tuple[str, ...], options: dict[str, Any]) -> int:
        """Write what was found, line by line; returns how many files were broken."""
        from searches.nash.prediction import Broken

        place, target = options["folder"], options["csv"]
        root = place if place.is_dir() else place.parent
        n_broken = 0
        with self._opened(target) as out:
            rows = csv.writer(out) if target is not None else None
            if rows:
                each = [f"probability of {name}" for name in names] if options["all"] else []
                rows.writerow(["file", "class", "probability", *each])
            for one in found:
                name = one.path.relative_to(root).as_posix()
                if isinstance(one, Broken):
                    n_broken += 1
                    self.stderr.write(f"{name}: {one.reason}; skipped")
                elif rows:
                    each_one = [f"{p:.6f}" for p in one.probabilities] if options["all"] else []
                    rows.writerow([as_text(name), as_text(names[one.label]), f"{one.probability:.6f}", *each_one])
                else:
                    out.write(f"{name}: {names[one.label]} {one.probability:.1%}\n")
        return n_broken

    def _opened(self, target: Path | None) -> Any:
        if target is None or target == STDOUT:
            return nullcontext(self.stdout._out)
        return target.open("w", encoding="utf-8", newline="")

    def handle_show(self, options: dict[str, Any]) -> None:
        with _in_words():
            file = read_model_file(options["zip"])
            digest = hashlib.sha256(file.weights()).hexdigest()
        architecture, info = file.architecture, file.info
        accuracy, lineage = info.get("test_accuracy"), info.get("lineage")
        shape = " x ".join(map(str, architecture.input_shape))
        lines = [
            f"{info.get('name') or file.path.name}: images of {shape}, {architecture.n_classes} classes",
            f"trained on {info['dataset']}" if info.get("dataset") else "",
            f"classes: {', '.join(file.classes)}" if file.classes else "classes: not named",
            f"test accuracy {100 * accuracy:.2f} %" if isinstance(accuracy, int | float) else "not tested",
            f"{architecture.n_parameters:,} parameters, {architecture.n_macs:,} multiply-accumulates an image",
            f"architecture {architecture.digest}, {len(architecture.blocks)} blocks",
            f"model.safetensors: {file.n_bytes:,} bytes, sha256 {digest}",
            *([f"  {line}" for line in lineage[-LINEAGE_SHOWN:]] if isinstance(lineage, list) else []),
        ]
        self.stdout.write("\n".join(line for line in lines if line))

    # ------------------------------------------------------------------ models of this site

    def handle_export(self, options: dict[str, Any]) -> None:
        uuid, _, code = options["model"].partition(":")
        search = find(uuid)
        candidate = find_candidate(search, code) if code else None
        for line in saving.save_files(search, candidate, options["to"], told_to_end=ends_when_told()):
            self.stdout.write(line)


@contextmanager
def _in_words() -> Iterator[None]:
    """What cannot be, as a CommandError."""
    try:
        yield
    except DamagedModel as error:
        raise CommandError(f"This model cannot be loaded: {error}.") from error
    except OSError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        raise CommandError(f"{error}.") from error
