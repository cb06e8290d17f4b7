"""An upload as the page makes it: begun, then sent in pieces."""

from django.urls import reverse


def begin(client, content: bytes, **changes):
    facts = {"name": "pets", "file_name": "pets.zip", "bytes": len(content), "flips": "on", "crops": ""}
    return client.post(reverse("upload_begin"), {**facts, **changes})


def patch(client, url: str, piece: bytes, offset: int):
    headers = {"Upload-Offset": str(offset)}
    return client.patch(url, piece, content_type="application/offset+octet-stream", headers=headers)
