"""Carries out commands: letters driven again or discarded, readings imported; as groups like any other, in order.

A command is some groups, each one transaction with its letters, its books and how far it has come. Its acknowledgement
leaves after the last one. Cut off anywhere, it goes on where it was when it is delivered again.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

import structlog
from pydantic import ValidationError

from services.ingest import deadletters, errands
from services.ingest.delivery import Message
from services.ingest.errands import Errand
from services.ingest.group import Gone, Group, Letter
from services.ingest.outbox import Outbox
from services.ingest.post import Post
from services.ingest.redrive import Redriver
from shared.commands import Answer, AnyCommand, Command, Import, read_command
from shared.topics import control_answer_topic

log = structlog.get_logger()

_AT_ONCE: Final = 50  # letters in memory: of up to 64 KiB each
_GONE: Final = "gone: it was driven again or discarded before"
_OTHER_FILE: Final = "epoch: this worker's file is another one, {}"


class Commands:
    """Of one worker."""

    def __init__(self, outbox: Outbox, redriver: Redriver, post: Post) -> None:
        self._outbox = outbox
        self._redriver = redriver
        self._post = post

    async def carry_out(self, message: Message, settle: Callable[[Group], Awaitable[None]]) -> None:
        """A notice to this worker; all of it is on disk when this returns."""
        async for group in self.groups(message.payload):
            await settle(group)

    async def groups(self, payload: bytes) -> AsyncIterator[Group]:
        """To be committed one by one before the next is asked for; the answer is sent after the last one."""
        command = _parse(payload)
        if command is None:
            return
        errand = await self._outbox.read(partial(errands.find, command_id=command.command_id))
        if isinstance(command, Import):
            if not errand.handled:
                errand = Errand(1, len(command.readings))
                yield _closed(_imported(command), command, errand)
            self._answer(command, errand)
            return
        while errand.handled < len(command.letters):
            row_ids = command.letters[errand.handled : errand.handled + _AT_ONCE]
            found = await self._outbox.read(partial(deadletters.find, row_ids=row_ids)) if self._ours(command) else {}
            group = Group()
            for row_id in row_ids:
                errand = self._carry_out(command, row_id, found.get(row_id), group, errand)
                if group.full:
                    yield _closed(group, command, errand)
                    group = Group()
            yield _closed(group, command, errand)
        self._answer(command, errand)

    def _ours(self, command: Command) -> bool:
        return command.epoch == self._outbox.epoch

    def _carry_out(self, command: Command, row_id: int, letter: Letter | None, group: Group, errand: Errand) -> Errand:
        """One letter, into the group; returns how far the command has come then."""
        if not self._ours(command):
            reason = _OTHER_FILE.format(self._outbox.epoch)
        elif letter is None:
            reason = _GONE
        elif command.action == "discard":
            group.counts.update(discarded=letter.entries, dead_lettered=-letter.entries)
            reason = ""
        else:
            reason = self._redrive(letter, group)
        if reason or letter is None:
            return Errand(errand.handled + 1, errand.done, (*errand.left, (row_id, reason)))
        group.gone.append(Gone(row_id, letter))
        return Errand(errand.handled + 1, errand.done + 1, errand.left)

    def _redrive(self, letter: Letter, group: Group) -> str:
        outcome = self._redriver.drive(letter)
        if outcome.reason:
            return outcome.reason
        group.add_readings(outcome.readings)
        # a device was heard when it spoke: the oldest stands for all, so that nobody comes back to life by being mended
        seen_ns = min(letter.received_ns, time.time_ns())
        group.received_ns = min(group.received_ns or seen_ns, seen_ns)
        refused = 0
        if outcome.letter is not None:
            group.add_letter(outcome.letter)
            refused = outcome.letter.entries
        group.count_commit(len(outcome.readings), refused)
        group.counts.update(received=-letter.entries, dead_lettered=-letter.entries, redriven=letter.entries)
        return ""

    def _answer(self, command: AnyCommand, errand: Errand) -> None:
        answer = Answer(command_id=command.command_id, done=errand.done, left=errand.left)
        log.info("command", action=command.action, command_id=command.command_id, done=errand.done)
        self._post.put(control_answer_topic(self._outbox.source), answer.model_dump_json().encode())


def _imported(command: Import) -> Group:
    """Counted as received, and spooled. Late data: it moves nothing back, and nobody comes back to life by it."""
    group = Group(quiet=True)
    group.add_readings(list(command.readings))
    group.count_commit(len(command.readings), 0)
    group.received_ns = min(time.time_ns(), *(reading.ts_ns for reading in command.readings))
    return group


def _closed(group: Group, command: AnyCommand, errand: Errand) -> Group:
    group.also = partial(errands.keep, command_id=command.command_id, errand=errand, now_ns=time.time_ns())
    return group


def _parse(payload: bytes) -> AnyCommand | None:
    """None for what is no command: it is said, and never delivered again."""
    try:
        return read_command(payload)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # the first part says by which action it was read
        field = ".".join(str(part) for part in wrong["loc"][1:]) or ("action" if "union_tag" in wrong["type"] else "")
        log.warning("bad_command", field=field, reason=wrong["msg"][:300])
        return None
