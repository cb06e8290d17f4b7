"""Well-known sets by name: small archives of the makers' formats, from a server that can break and lie."""

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from scipy.io import savemat

from searches import datasets, services, worker_jobs
from searches.models import BackgroundJob, DataSet
from searches.nash.imagefolder import BadArchive, fetching, originals

pytestmark = pytest.mark.django_db


class Server(ThreadingHTTPServer):
    """Files by name; `cuts`: after how many bytes the next connections end."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.ranges = {}, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked[6:-1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(fetching, "PAUSES", (0.0, 0.0))
    yield server
    server.shutdown()
    server.server_close()


def offer(server, monkeypatch, key, files):
    """Have the set `key` come from the loopback, as these files in the order of its own."""
    original = originals.ORIGINALS[key]
    server.files.update(files)
    offered = tuple((f"{server.address}/{name}", hashlib.md5(data).hexdigest()) for name, data in files.items())
    monkeypatch.setitem(originals.ORIGINALS, key, replace(original, files=offered))


def tar_gz(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def drawn(seed, n, *shape):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def cifar10_files():
    """Archive, and the images and labels in it."""
    members, images, labels = {}, [], []
    for i, name in enumerate([*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]):
        images.append(drawn(i, 4, 3, 32, 32))
        labels.append(np.arange(i, i + 4, dtype=np.uint8) % 10)
        members[name] = np.hstack([labels[-1][:, None], images[-1].reshape(4, -1)]).tobytes()
    return {"cifar-10-binary.tar.gz": tar_gz(members)}, images, labels


def arrays(name):
    folder = datasets.folder_of(name)
    return [np.load(folder / f"{part}.npy") for part in ("images", "labels", "test_images", "test_labels")]


def test_cifar10_is_read_from_its_binary_archive(server, monkeypatch):
    files, images, labels = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    told = []
    row = DataSet.objects.get(pk=datasets.download_dataset("cifar10", report=lambda *words: told.append(words)))
    found = arrays("cifar10")
    assert (found[0] == np.concatenate(images[:5])).all()
    assert (found[1] == np.concatenate(labels[:5])).all()
    assert (found[2] == images[5]).all()
    assert (row.n_train, row.n_test, row.flips, row.meta["classes"][0]) == (20, 4, True, "airplane")
    size = len(files["cifar-10-binary.tar.gz"])
    assert told[0] == (size, size, "CIFAR-10 is downloaded")
    assert list(datasets.downloads_folder("cifar10").iterdir()) == []


def test_cifar100_has_its_fine_labels(server, monkeypatch):
    names = [f"class{i}" for i in range(100)]
    images = drawn(1, 6, 3, 32, 32)
    labels = np.stack([np.arange(6), np.arange(94, 100)], 1).astype(np.uint8)  # coarse, fine
    records = np.hstack([labels, images.reshape(6, -1)]).tobytes()
    members = {"fine_label_names.txt": "\n".join(names).encode(), "train.bin": records, "test.bin": records}
    offer(server, monkeypatch, "cifar100", {"a.tar.gz": tar_gz(members)})
    row = DataSet.objects.get(pk=datasets.download_dataset("cifar100"))
    assert row.meta["classes"] == names
    assert arrays("cifar100")[1].tolist() == [94, 95, 96, 97, 98, 99]
    assert (arrays("cifar100")[0] == images).all()
    assert row.meta["twins"]["leaks"] == 6


def test_svhn_is_read_from_matlab_files_and_ten_is_a_nought(server, monkeypatch):
    images, files = drawn(2, 5, 32, 32, 3), {}
    for part in ("train", "test"):
        file = io.BytesIO()
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [2], [9], [10]], np.uint8)})
        files[f"{part}_32x32.mat"] = file.getvalue()
    offer(server, monkeypatch, "svhn", files)
    row = DataSet.objects.get(pk=datasets.download_dataset("svhn"))
    found = arrays("svhn")
    assert (found[0] == images.transpose(0, 3, 1, 2)).all()
    assert (found[1].tolist(), row.flips) == ([0, 1, 2, 9, 0], False)


def test_fashion_mnist_is_read_from_idx_files(server, monkeypatch):
    images, files = drawn(3, 4, 28, 28), {}
    for part in ("train", "t10k"):
        files[f"{part}-images"] = gzip.compress(struct.pack(">IIII", 0x803, 4, 28, 28) + images.tobytes())
        files[f"{part}-labels"] = gzip.compress(struct.pack(">II", 0x801, 4) + bytes([0, 9, 3, 1]))
    offer(server, monkeypatch, "fashion-mnist", files)
    row = DataSet.objects.get(pk=datasets.download_dataset("fashion-mnist"))
    assert row.input_shape == (1, 28, 28)
    assert (arrays("fashion-mnist")[0][:, 0] == images).all()
    assert arrays("fashion-mnist")[3].tolist() == [0, 9, 3, 1]


def test_stl10_is_turned_upright_and_scaled(server, monkeypatch):
    ramp = np.broadcast_to(np.linspace(0, 255, 96).astype(np.uint8)[:, None], (96, 96))  # darker at the top
    image = np.stack([ramp, ramp, ramp])
    columns = image.transpose(0, 2, 1).tobytes()
    members = {"class_names.txt": b"airplane\nbird\n"}
    for part in ("test", "train"):
        members |= {f"{part}_X.bin": 2 * columns, f"{part}_y.bin": bytes([1, 2]), "unlabeled_X.bin": b"passed over"}
    offer(server, monkeypatch, "stl10", {"stl.tar.gz": tar_gz(members)})
    row = DataSet.objects.get(pk=datasets.download_dataset("stl10"))
    assert row.input_shape == (3, 64, 64)
    upright = arrays("stl10")[0][0, 0]
    assert upright[0].max() < 10
    assert upright[-1].min() > 245
    assert row.meta["notes"] == ["Scaled from 96 to 64 px, bicubic."]


def test_stl10_is_larger_than_an_upload_may_be_and_is_read_as_a_stream_until_all_labelled_images_are_there(
    server, monkeypatch, settings
):
    settings.NASH_MAX_UPLOAD_BYTES = 100  # for uploads alone: what is downloaded has its own
    members = {"class_names.txt": b"airplane\nbird\n"}
    for part in ("test", "train"):
        members |= {f"{part}_X.bin": bytes(2 * 3 * 96 * 96), f"{part}_y.bin": bytes([1, 2])}
    unlabelled = np.random.default_rng(0).bytes(2 * 10**6)  # 2.4 GB of the real one
    whole = tar_gz({**members, "unlabeled_X.bin": unlabelled})
    offer(server, monkeypatch, "stl10", {"stl.tar.gz": whole[:-(10**6)]})  # cut: nobody reads so far
    row = DataSet.objects.get(pk=datasets.download_dataset("stl10"))
    assert (row.n_train, row.n_test, row.meta["classes"]) == (2, 2, ["airplane", "bird"])


def test_a_disk_that_is_too_full_is_said_before_a_byte_is_written(server, monkeypatch, data_folder):
    files, _, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(BadArchive, match=r"the server's disk has 0\.0 GB free; make room and try again"):
        datasets.download_dataset("cifar10")
    assert list((data_folder / "datasets").glob("*")) == []


def test_a_broken_connection_is_taken_up_where_it_broke(server, monkeypatch):
    files, images, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    server.cuts = [5000, 7000]
    datasets.download_dataset("cifar10")
    assert server.ranges == [None, "bytes=5000-", "bytes=12000-"]
    assert (arrays("cifar10")[2] == images[5]).all()


def test_a_connection_that_only_breaks_fails_in_words_and_the_next_try_goes_on(server, monkeypatch):
    files, _, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    server.cuts = [5000, 0, 0, 0]
    with pytest.raises(BadArchive, match="5,000 bytes are kept; try again and the rest follows"):
        datasets.download_dataset("cifar10")
    assert not DataSet.objects.exists()
    datasets.download_dataset("cifar10")
    assert server.ranges[-1] == "bytes=5000-"


def test_another_checksum_is_refused_and_leaves_nothing(server, monkeypatch, data_folder):
    files, _, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    name, data = files.popitem()
    server.files[name] = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(BadArchive, match="has another checksum than it should"):
        datasets.download_dataset("cifar10")
    assert list((data_folder / "downloads" / "cifar10").iterdir()) == []


def test_without_a_network_the_command_says_so(server, monkeypatch):
    files, _, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    server.shutdown()
    server.server_close()
    with pytest.raises(CommandError, match=r"cannot be fetched: .*refused"):
        call_command("dataset", "download", "cifar10")


@pytest.mark.parametrize("broken", ["no tar", "a file short", "half a record", "a label too high"])
def test_files_that_are_not_what_they_should_be_are_refused(server, monkeypatch, broken, data_folder):
    _, images, labels = cifar10_files()
    members = {
        name: np.hstack([labels[0][:, None], images[0].reshape(4, -1)]).tobytes()
        for name in [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    }
    if broken == "a file short":
        del members["data_batch_3.bin"]
    if broken == "half a record":
        members["data_batch_3.bin"] = members["data_batch_3.bin"][:-100]
    if broken == "a label too high":
        members["data_batch_3.bin"] = b"\x0a" + members["data_batch_3.bin"][1:]
    content = b"no tar at all" if broken == "no tar" else tar_gz(members)
    offer(server, monkeypatch, "cifar10", {"c.tar.gz": content})
    with pytest.raises(BadArchive, match="The files of CIFAR-10 are not what they should be"):
        datasets.download_dataset("cifar10")
    assert not DataSet.objects.exists()
    assert list((data_folder / "datasets").iterdir()) == []
    assert list((data_folder / "downloads").iterdir()) == []


def test_the_page_asks_a_worker_for_it(client, alice, server, monkeypatch):
    files, _, _ = cifar10_files()
    offer(server, monkeypatch, "cifar10", files)
    assert "Download of CIFAR-10: waits for a worker." in client.post(
        reverse("dataset_download"), {"name": "cifar10"}, follow=True
    ).text
    job = BackgroundJob.objects.get()
    worker_jobs.do(services.claim_job(job.pk, worker="alpha"))
    job.refresh_from_db()
    assert (job.status, job.result["dataset"]) == ("done", "cifar10")
    assert DataSet.objects.get().owner == alice
    client.post(reverse("dataset_download"), {"name": "cifar10"})
    assert BackgroundJob.objects.count() == 1
    assert client.post(reverse("dataset_download"), {"name": "mnist"}).status_code == 404
