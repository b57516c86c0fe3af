"""What a person sees while it runs: one line a step, and a sign of life within two seconds.

On a terminal the step under way is one line that moves, replaced by its outcome. Elsewhere only whole lines are
written, so that a log stays readable. No thread is used: hosts are forked from this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from attrs import define, field

from hosts.supervisor.kernel import now

if TYPE_CHECKING:
    from rich.console import Console

SIGN = 1.8
_FRAME = 0.1
"""Seconds between signs of life in a log, and between the frames of a line that moves."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@define(eq=False)
class Step:
    """A step under way. `doing` says what it is, `detail` how far it is, and `done` what came of it; `length`: seconds
    that it will take, as far as that is known."""

    doing: str
    done: str
    detail: Callable[[], str]
    length: float = float("inf")
    begun: float = field(factory=now)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return now() - self.begun


@define(eq=False)
class Progress:
    """Tells steps on a console."""

    console: Console

    def say(self, mark: str, text: str, style: str = "", elapsed: float | None = None) -> None:
        """One line."""
        from rich.text import Text

        took = f"{elapsed:6.1f} s" if elapsed is not None else ""
        width = max(self.console.width - len(took) - 4, 20)
        for number, line in enumerate(Text(text).wrap(self.console, width)):
            first = number == 0
            line.pad_right(width - line.cell_len)
            told = Text.assemble((f"{mark} " if first else "  ", style), line, (f" {took}" if first else "", "dim"))
            told.rstrip()
            self.console.print(told)

    @asynccontextmanager
    async def step(
        self, doing: str, detail: Callable[[], str] = lambda: "", length: float = float("inf")
    ) -> AsyncIterator[Step]:
        """A step: told while it lasts, and its outcome when it has ended well."""
        step = Step(doing, doing, detail, length)
        ticking = asyncio.get_running_loop().create_task(self._tick(step))
        try:
            yield step
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
        self.say("✓", step.done, "green", step.elapsed)

    async def _tick(self, step: Step) -> None:
        if self.console.is_terminal:
            await self._move(step)
        while True:
            await asyncio.sleep(SIGN)
            if step.elapsed + SIGN < step.length:  # else its outcome is the next sign
                self.say("·", _told(step), "dim", step.elapsed)

    async def _move(self, step: Step) -> None:
        from rich.live import Live
        from rich.text import Text

        # Refreshed here and by no thread of its own.
        with Live(console=self.console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
            while True:
                frame = _FRAMES[int(step.elapsed / _FRAME) % len(_FRAMES)]
                line = Text.assemble((f"{frame} ", "cyan"), _told(step), (f"  {step.elapsed:.1f} s", "dim"))
                line.truncate(self.console.width - 1, overflow="ellipsis")
                live.update(line, refresh=True)
                await asyncio.sleep(_FRAME)


def _told(step: Step) -> str:
    detail = step.detail()
    return f"{step.doing}: {detail}" if detail else step.doing
