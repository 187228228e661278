"""Serving the page of `explore.py app`, to this machine and with nothing from elsewhere."""

import logging
import os
import socket
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from imagevae.cli.errors import BadInput
from imagevae.exploring.inputs import Form, open_folder

if TYPE_CHECKING:
    from imagevae.model.vae import VAE

# What a page would ask of other servers, the browser stops.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
HISTORY = 8  # messages to a browser that are kept for when it has lost its connection


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


def serve(listening: socket.socket, model: "VAE", form: Form, images: Path | None, title: str) -> None:
    """Answer browsers until Ctrl-C, which raises KeyboardInterrupt; the address is printed when all is ready.

    Args:
        form, images: see `Playground`.

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
    app.add_middleware(Contained)
    ui.run_with(app, dark=None, show_welcome_message=False, message_history_length=HISTORY)
    Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


class Contained:
    """An ASGI application whose pages may ask no other server."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-security-policy", POLICY)]}
            await send(message)

        await self.app(scope, receive, send_with_policy)
