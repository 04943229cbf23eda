"""CPU time by stage of the flow: of the calling thread, around synchronous pieces, once for each burst, group or write.

One account for the process, as CPU time is; each stage is kept by one thread, so that nothing is locked.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from functools import partial, wraps
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, Self, TypeVar

Stage = Literal["receive", "judge", "commit", "announce", "latest", "write", "mirror"]

P = ParamSpec("P")
T = TypeVar("T")

_spent_ns: Final[dict[Stage, int]] = dict.fromkeys(
    ("receive", "judge", "commit", "announce", "latest", "write", "mirror"), 0
)


class Spent:
    """`with Spent("judge"):` adds what the block takes; nothing may be awaited in it."""

    __slots__ = ("_begun_ns", "_stage")

    def __init__(self, stage: Stage) -> None:
        self._stage: Stage = stage

    def __enter__(self) -> Self:
        self._begun_ns = time.thread_time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _spent_ns[self._stage] += time.thread_time_ns() - self._begun_ns


def counted(stage: Stage) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Every call of a function."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*given: P.args, **named: P.kwargs) -> T:
            with Spent(stage):
                return function(*given, **named)

        return call

    return decorate


def each(stage: Stage, values: Iterable[T]) -> Iterator[T]:
    """What it takes to make the values, and not what is done with them."""
    made = iter(values)
    while True:
        with Spent(stage):
            try:
                value = next(made)
            except StopIteration:
                return
        yield value


class _Steps(Awaitable[T]):
    def __init__(self, stage: Stage, work: Coroutine[Any, Any, T]) -> None:
        self._stage: Stage = stage
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        """What `yield from` does, and a clock beside it."""
        step: Callable[[], Any] = partial(self._work.send, None)
        while True:
            with Spent(self._stage):
                try:
                    awaited = step()
                except StopIteration as end:
                    result: T = end.value
                    return result
            try:
                step = partial(self._work.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 - cancellation too: it is the coroutine's to answer
                step = partial(self._work.throw, error)


async def in_steps(stage: Stage, work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, and count what it takes between its awaits; what it awaits in another task is not its own."""
    return await _Steps(stage, work)


def seconds() -> Mapping[str, float]:
    """By stage, since the process began."""
    return {stage: spent / 1e9 for stage, spent in _spent_ns.items()}
