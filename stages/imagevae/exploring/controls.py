"""The parts that the page of `explore.py app` is made of: pictures, sliders, and places to choose an image."""

import asyncio
import base64
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from nicegui import events, ui

from imagevae.cli.errors import BadInput
from imagevae.exploring.interpolation import Pixels
from imagevae.exploring.playing import Playground
from imagevae.images.encoding import encode_png
from imagevae.images.listing import MAX_BYTES

SHOWN = 12  # images of the folder at a time
STYLE = """
.picture { border-radius: 6px; background: #8883; display: block; }
.crisp .picture { image-rendering: pixelated; }
.choice { cursor: pointer; }
.choice:hover, .choice:focus { outline: 3px solid var(--q-primary); }
.tiles { display: grid; gap: 8px; width: 100%; }
.q-uploader { width: 100%; }
.q-uploader__list, .q-uploader__subtitle { display: none; }
"""


class Newest:
    """Answers the newest of many requests: all that come while one is answered are one."""

    def __init__(self, answer: Callable[[], Awaitable[None]]):
        self._answer, self._asked, self._busy = answer, False, False

    async def __call__(self) -> None:
        self._asked = True
        if self._busy:
            return
        self._busy = True
        try:
            while self._asked:
                self._asked = False
                await self._answer()
        finally:
            self._busy = False


class Picture(ui.element):
    """A picture that holds its bytes: nothing is written to a file, and nothing else is asked for."""

    def __init__(self, width: str = "100%"):
        super().__init__("img")
        self.classes("picture").style(f"width: {width}")

    def show(self, pixels: Pixels, text: str) -> "Picture":
        """Show pixels, uint8 (height, width, 3), and a text for those who can't see them."""
        self.props["src"] = f"data:image/png;base64,{base64.b64encode(encode_png(pixels)).decode()}"
        self.props["alt"] = self.props["title"] = text
        return self


class Tiles(ui.element):
    """Pictures in a grid, each at least so many pixels wide."""

    def __init__(self, width: int):
        super().__init__()
        self.classes("tiles").style(f"grid-template-columns: repeat(auto-fill, minmax({width}px, 1fr))")

    def add(self, pixels: Pixels, text: str, choose: Callable[[], Awaitable[None]]) -> None:
        """Add a picture that can be chosen, by a click or the Enter key."""
        with self:
            tile = Picture().show(pixels, text).classes("choice").props("tabindex=0 role=button")
        tile.on("click", choose, args=[]).on("keydown.enter", choose, args=[])


class Slider(ui.slider):
    """A slider with its name, its value and what it means."""

    def __init__(self, name: str, ends: tuple[float, float], step: float, value: float, meaning: str, follow: Callable):
        with ui.column().classes("w-full gap-0"):
            with ui.row().classes("w-full justify-between"):
                ui.label(name)
                shown = ui.label()
            super().__init__(min=ends[0], max=ends[1], step=step, value=value, on_change=follow)
            self.props(f'aria-label="{name}"')
            if meaning:
                ui.label(meaning).classes("text-caption opacity-70")
        digits = 0 if step == 1 else 2
        shown.bind_text_from(self, "value", lambda value: f"{value:.{digits}f}")


class Chooser:
    """A place to drop an image of one's own, and images of the folder to pick from.

    Args:
        name: a word of the classes that its parts have.
        react: what is done with a chosen image.
    """

    def __init__(self, playground: Playground, what: str, name: str, react: Callable[[Pixels], Awaitable[None]]):
        self._playground, self._react = playground, react
        self._upload = ui.upload(
            label=f"{what}: drop a file here, or press +",
            auto_upload=True,
            max_file_size=MAX_BYTES,
            on_upload=self._dropped,
            on_rejected=self._too_large,
        )
        self._upload.props("flat bordered color=grey-3 text-color=black").classes(f"{name}-upload")
        with ui.row().classes("items-center"):
            self._note, self._busy = Note().classes(f"{name}-note"), Busy()
        if playground.folder:
            self._tiles = Tiles(64).classes(f"{name}-folder")
            self._fill(range(min(SHOWN, len(playground.folder))))
            if len(playground.folder) > SHOWN:
                ui.button(f"Others of the {len(playground.folder)} images", on_click=self._others).props(
                    "flat dense no-caps"
                )

    def _fill(self, numbers: Iterator[int] | range | list[int]) -> None:
        self._tiles.clear()
        for number in numbers:
            name = self._playground.name(number)
            with self._note.reporting(name):
                self._tiles.add(self._playground.image(number), name, partial(self._picked, number))

    def _others(self) -> None:
        self._fill(sorted(random.sample(range(len(self._playground.folder or ())), SHOWN)))

    def _too_large(self) -> None:
        self._note.fault(f"a file of more than {MAX_BYTES} bytes")

    async def _dropped(self, event: events.UploadEventArguments) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "image"
            await event.file.save(file)
            await self._take(event.file.name, lambda: self._playground.read(file))
        self._upload.reset()

    async def _picked(self, number: int) -> None:
        await self._take(self._playground.name(number), lambda: self._playground.image(number))

    async def _take(self, name: str, read: Callable[[], Pixels]) -> None:
        with self._note.reporting(name), self._busy:
            square = await asyncio.to_thread(read)
            await self._react(square)
            self._note.say(name)


class Note(ui.label):
    """One line that says what is shown, or what is wrong."""

    def say(self, text: str) -> None:
        self.set_text(text)
        self.classes(remove="text-negative")

    def fault(self, text: str) -> None:
        self.set_text(text)
        self.classes("text-negative")

    @contextmanager
    def reporting(self, name: str) -> Iterator[None]:
        """Say what is wrong with something of a name, instead of raising it."""
        try:
            yield
        except (BadInput, OSError, MemoryError) as error:
            reason = "too little memory" if isinstance(error, MemoryError) else str(error)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else reason
            self.fault(f"{name}: {reason}" if name else reason)


class Busy(ui.spinner):
    """A spinner that is seen while something is done."""

    def __init__(self) -> None:
        super().__init__(size="1.5em")
        self.set_visibility(False)

    def __enter__(self) -> "Busy":
        self.set_visibility(True)
        return self

    def __exit__(self, *_: object) -> None:
        self.set_visibility(False)
