"""The ASGI application: pages by Django, the live channel by Channels. Never loads torch."""

import gc
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nashweb.settings")
pages = get_asgi_application()  # sets Django up: consumers, which import models, come after it

from searches.consumers import BoardConsumer, SearchConsumer  # noqa: E402

live = URLRouter(
    [
        path("ws/searches/<uuid:uuid>/", SearchConsumer.as_asgi()),
        path("ws/boards/<slug:name>/", BoardConsumer.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {"http": pages, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(live))}
)

# Python looks through all objects for unreachable cycles whenever a quarter more have come: a tenth of a second, in
# the middle of some answer. What the program consists of stays for good and is not looked through; for what answers
# leave behind it is enough to look now and then.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
