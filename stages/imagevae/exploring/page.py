"""The page of `explore.py app`: what stands where, and what it asks of the `Playground`."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from imagevae.exploring.controls import STYLE, Busy, Chooser, Newest, Note, Picture, Slider, Tiles
from imagevae.exploring.interpolation import Pixels, strips
from imagevae.exploring.playing import FRAMES, Drawn, Playground, Start

MOST = 64  # samples at a time
REACH, STEP = 4.0, 0.05  # of the sliders along axes, in standard deviations
PANELS = ("as the model sees it", "reconstruction", "where these differ", "where the flow is surprised")
CRISP = 128  # pixels; images up to this size are scaled up without smoothing


class Page:
    """The page in one tab of a browser, which has a state of its own."""

    def __init__(self, playground: Playground, title: str):
        ui.add_css(STYLE)
        ui.page_title(title)
        column = ui.column().classes("w-full max-w-6xl mx-auto")
        with column.classes("crisp" if playground.form.size <= CRISP else ""):
            ui.label(title).classes("text-h5")
            with ui.tabs().props("align=left no-caps") as self._tabs:
                for name in ("Draw", "Move", "Between", *["Look"] * bool(playground.folder)):
                    ui.tab(name).classes(f"tab-{name.lower()}")
            with ui.tab_panels(self._tabs, value="Draw", animated=False, keep_alive=True).classes("w-full"):
                with ui.tab_panel("Draw"):
                    self._draw = DrawTab(playground, self._start_at)
                with ui.tab_panel("Move"):
                    self._move = MoveTab(playground)
                with ui.tab_panel("Between"):
                    self._between = BetweenTab(playground)
                if playground.folder:
                    with ui.tab_panel("Look"):
                        LookTab(playground)
        ui.timer(0, self._begin, once=True)

    async def _begin(self) -> None:
        await self._draw.follow()
        if drawn := self._draw.drawn:
            await self._move.start(drawn.z[0])
            await self._between.begin(drawn.pictures[0], drawn.pictures[-1])

    async def _start_at(self, z: NDArray[np.float32]) -> None:
        self._tabs.set_value("Move")
        await self._move.start(z)


class DrawTab:
    """Samples, which follow their settings."""

    def __init__(self, playground: Playground, choose: Callable[[NDArray[np.float32]], Awaitable[None]]):
        self._playground, self._choose = playground, choose
        self.drawn: Drawn | None = None
        self.follow = Newest(self._draw)
        ui.label("New images, drawn by the model. Click on one to move it along axes.")
        with ui.row().classes("w-full items-start gap-8"):
            with ui.column().classes("w-full sm:w-72"):
                with ui.row(wrap=False).classes("w-full items-center"):
                    self._seed = ui.number("Seed", value=0, min=0, max=2**32 - 1, precision=0, on_change=self.follow)
                    self._seed.classes("seed grow")
                    another = ui.button("Another", on_click=lambda: self._seed.set_value(random.randrange(2**32)))
                    another.props("flat no-caps").classes("another-seed")
                ui.label("The same seed gives the same images, as in sample.py.").classes("text-caption opacity-70")
                classes = {"": "any", **{name: name for name in playground.classes}}
                self._label = ui.select(classes, value="", label="Class", with_input=True, on_change=self.follow)
                self._label.classes("label w-full").set_visibility(len(classes) > 1)
                self._count = Slider("Count", (1, MOST), 1, 16, "A larger count keeps the first images.", self.follow)
                self._temperature = Slider(
                    "Temperature", (0, 2), STEP, 1, "Below 1 images are more alike and more typical.", self.follow
                )
                self._guidance = Slider(
                    "Guidance", (0, 4), STEP, 1, "With more they are more typical and less varied.", self.follow
                )
                self._note, self._busy = Note(), Busy()
            with ui.column().classes("flex-1 min-w-72"):
                self._tiles = Tiles(84).classes("samples")

    async def _draw(self) -> None:
        if self._seed.value is None:
            return
        count, temperature, guidance = (slider.value for slider in (self._count, self._temperature, self._guidance))
        settings = int(self._seed.value), int(count), temperature, guidance, self._label.value or None
        with self._note.reporting(""), self._busy:
            self.drawn = drawn = await asyncio.to_thread(self._playground.draw, *settings)
            self._tiles.clear()
            for number, (pixels, z) in enumerate(zip(drawn.pictures, drawn.z, strict=True)):
                self._tiles.add(pixels, f"sample {number}", partial(self._choose, z))
            self._note.say("")


class MoveTab:
    """An image, and a slider for each axis that matters."""

    def __init__(self, playground: Playground):
        self._playground = playground
        self._start: Start | None = None
        self._follow = Newest(self._move)
        ui.label(
            "One image, moved along the axes along which training images vary most, in standard deviations: 0 is their "
            "mean. The shares say how much of all variation lies along an axis."
        )
        with ui.row().classes("w-full items-start gap-8"):
            with ui.column().classes("w-full sm:w-96"):
                self._picture = Picture().classes("moved")
                ui.button("Reset", on_click=self._reset).props("outline no-caps").classes("reset")
            with ui.column().classes("flex-1 min-w-72 gap-2"):
                self._sliders = [
                    Slider(f"Axis {number + 1} ({axis.name})", (-REACH, REACH), STEP, 0, "", self._follow)
                    for number, axis in enumerate(playground.axes)
                ]
                if not playground.axes:
                    ui.label("The training images of this model are all alike: there is no axis.")
        Chooser(playground, "Another image to start from", "move", self._start_at)

    async def _start_at(self, square: Pixels) -> None:
        await self.start(await asyncio.to_thread(self._playground.encode, square))

    async def start(self, z: NDArray[np.float32]) -> None:
        """Begin with z, (latent_dim,)."""
        self._start = await asyncio.to_thread(self._playground.start, z)
        await self._reset()

    async def _reset(self) -> None:
        if self._start:
            for slider, place in zip(self._sliders, _places(self._start), strict=True):
                slider.set_value(place)
            await self._follow()

    async def _move(self) -> None:
        if start := self._start:
            values = [slider.value for slider in self._sliders]
            by = np.subtract(values, _places(start))  # exactly 0 where nothing was moved
            self._picture.show(await asyncio.to_thread(self._playground.move, start, by), "the image, moved")


def _places(start: Start) -> list[float]:
    """Where sliders stand before anything is moved."""
    return [round(STEP * round(float(place) / STEP), 2) for place in np.clip(start.places, -REACH, REACH)]


class BetweenTab:
    """Two images, and the way from one to the other."""

    def __init__(self, playground: Playground):
        self._playground = playground
        self._ends: list[Pixels] = []
        self._frames: Pixels | None = None
        ui.label(
            "The way from one image to another. At its ends are their reconstructions; what lies between are images of "
            "the model's own. At first the two are samples."
        )
        self._strip = Picture().classes("strip")
        with ui.row().classes("w-full items-start gap-8"):
            self._picture = Picture("min(100%, 24rem)").classes("between")
            with ui.column().classes("flex-1 min-w-72"):
                meaning = "0 is the first image, 1 the second."
                self._share = Slider("Place on the way", (0, 1), 1 / FRAMES, 0.5, meaning, self._show)
                self._busy = Busy()
        with ui.row().classes("w-full items-start gap-8"):
            for end, what in enumerate(("First image", "Second image")):
                with ui.column().classes("flex-1 min-w-72"):
                    Chooser(playground, what, f"end-{end}", partial(self._take, end))

    async def begin(self, first: Pixels, second: Pixels) -> None:
        """Show the way between two squares."""
        self._ends = [first, second]
        with self._busy:
            self._frames = await asyncio.to_thread(self._playground.way, first, second)
        self._strip.show(strips(self._ends, [(0, 1)], self._frames[None, :: FRAMES // 8]), "the way")
        self._show()

    async def _take(self, end: int, square: Pixels) -> None:
        ends = self._ends or [square, square]
        await self.begin(*(square if number == end else other for number, other in enumerate(ends)))

    def _show(self) -> None:
        if self._frames is not None:
            share = self._share.value
            self._picture.show(self._frames[round(share * FRAMES)], f"{share:.0%} of the way")


class LookTab:
    """An image: what the model makes of it, and what the folder has that is like it."""

    def __init__(self, playground: Playground):
        self._playground = playground
        ui.label(
            "What the model makes of an image, how odd it is, and the images of the folder that are nearest to it."
        )
        Chooser(playground, "An image", "look", self._look)
        self._odds = ui.label().classes("odds text-subtitle1")
        with ui.row().classes("w-full items-start"):
            self._panels = [self._captioned(what) for what in PANELS]
        ui.label("Nearest images of the folder, each with the distance of its code")
        self._near = ui.row().classes("near w-full")

    def _captioned(self, what: str) -> Picture:
        with ui.column().classes("w-64 gap-1"):
            picture = Picture().classes(f"look-{what.split()[-1]}")
            ui.label(what).classes("text-caption")
        return picture

    async def _look(self, square: Pixels) -> None:
        look = await asyncio.to_thread(self._playground.look, square)
        for picture, pixels, what in zip(self._panels, look.panels, PANELS, strict=True):
            picture.show(pixels, what)
        assert self._playground.reference
        others = "images that were held out of the training" if self._playground.reference.has_held_out else "images"
        self._odds.set_text(
            f"Of the folder's {others}, {look.share:.0%} are odder. "
            f"Its score is {look.score:.1f}: 0 is usual, 1 is one in ten."
        )
        self._near.clear()
        with self._near:
            for number, distance in look.neighbours:
                name = self._playground.name(number)
                with ui.column().classes("w-[7.5rem] gap-1"):
                    Picture().show(self._playground.image(number), name)
                    ui.label(f"{distance:.2f}: {name}").classes("text-caption break-all")
