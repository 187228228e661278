"""Serving the page of `explore.py app`, to this machine and with nothing from elsewhere."""

import logging
import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imagevae.cli.errors import BadInput
from imagevae.exploring.inputs import Form, open_folder
from imagevae.images.listing import MAX_BYTES

if TYPE_CHECKING:
    from imagevae.model.vae import VAE

# What a page would ask of other servers, the browser stops.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
HISTORY = 8  # messages to a browser that are kept for when it has lost its connection
MOST_SENT = MAX_BYTES + 2**16  # bytes of a request: a file, and what a browser says of it


def listen(host: str, port: int) -> socket.socket:
    """Take an address for a page, which `serve` then serves.

    Args:
        host: name or address of this machine.
        port: 0 for any that is free.

    Raises:
        BadInput: NiceGUI is not installed, or there is no such address, or it is taken.
    """
    try:
        import nicegui  # noqa: F401
    except ImportError:
        raise BadInput("the page needs NiceGUI, which is not installed: pip install -r requirements-app.txt") from None
    try:
        [family, *_], *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise BadInput(f"--host {host}: {error.strerror}") from None
    except OSError as error:
        raise BadInput(f"--port {port}, --host {host}: {os.strerror(error.errno or 0)}; choose another") from None


def serve(
    listening: socket.socket, model: "VAE", form: Form, images: Path | None, title: str, name: str = "localhost"
) -> None:
    """Answer browsers until Ctrl-C, which raises KeyboardInterrupt; the address is printed when all is ready.

    Args:
        form, images: see `Playground`.
        name: that the page may be asked for by, besides addresses in numbers and this machine's own names.

    Raises:
        BadInput: there is no such folder, or an image in it is damaged.
    """
    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui

    from imagevae.exploring.page import Page
    from imagevae.exploring.playing import Playground

    playground = Playground(model, form, open_folder(images, form) if images else None)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            host, port = listening.getsockname()[:2]
            print(f"http://{f'[{host}]' if ':' in host else host}:{port}/ is ready; Ctrl-C ends it", flush=True)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            logging.getLogger("uvicorn.error").disabled = True  # browsers that are cut off now are no errors
            super().handle_exit(sig, frame)
            self.force_exit = True

    ui.page("/")(lambda: Page(playground, title))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Contained, name=name)
    ui.run_with(app, dark=None, show_welcome_message=False, message_history_length=HISTORY)
    Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


class Contained:
    """An ASGI application whose pages may ask no other server, and which pages of other servers may not ask.

    Such a page could have its server's name lead to this machine ("DNS rebinding"), so names that are not of this
    machine are refused; addresses in numbers can't be made to lead elsewhere.

    Args:
        name: of this machine, besides those that it has by itself.
    """

    def __init__(self, app: Any, name: str):
        self.app, self.names = app, {"localhost", name.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-security-policy", POLICY)]}
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
        answer = self.app
        if scope["type"] != "lifespan" and not self._is_own(headers):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})  # before it is accepted, which is a 403
                return
            answer = PlainTextResponse("not an address of this page\n", 403)
        elif b"transfer-encoding" in headers or int(headers.get(b"content-length", 0)) > MOST_SENT:
            answer = PlainTextResponse(f"more than {MOST_SENT} bytes, or nobody knows how many\n", 413)
        await answer(scope, receive, send_with_policy)

    def _is_own(self, headers: Mapping[bytes, str]) -> bool:
        """Whether a request is for this machine and, if a page makes it, by one of this machine."""
        host = headers.get(b"host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if urlsplit(headers.get(b"origin", f"//{host}")).netloc != host:
                return False
            return name in self.names or ip_address(name) is not None
        except ValueError:
            return False
