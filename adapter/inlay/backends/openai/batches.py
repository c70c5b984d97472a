"""A provider's Batch API: the same requests, uploaded as files and answered within a day, at half the price.

Batches are recorded in a journal before anything waits for them, so after a process was killed or stopped another one
finds them and pays for nothing twice (batch_journal.py). stopped() leaves batches running. Answers are matched to rows
by custom id, a hash of the row's key, whatever their order; keys differ from row to row.

Up to `direct_rows` prompts that are in no batch are sent directly. Before a batch its first row is sent directly: a
wrong key, an unknown model or an unsupported parameter shows at once and not tomorrow. A reply that is not valid for
the schema is not requested again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from inlay.backends.base import Failed, Instruction, Reply
from inlay.backends.http.body import Answer
from inlay.backends.http.retry import ATTEMPTS, wait_before_s
from inlay.backends.http.verdict import Verdict, judged
from inlay.backends.openai.batch_journal import BatchJournal, Entries, Entry, custom_id
from inlay.backends.openai.model import Completion, OpenAIModel, Rows
from inlay.backends.openai.server import PaidWork, Server
from inlay.errors import EndpointError
from inlay.models.ref import ModelRef

# OpenAI's limits of one batch.
MOST_ROWS = 50_000
MOST_BYTES = 200_000_000

DIRECT_ROWS = 100
POLL_S = 30.0

# For a file of MOST_BYTES on a slow line.
_UPLOAD_S = 900.0
# A provider may be out of reach for so long while a batch is waited for.
_PATIENCE_S = 3_600.0

_ENDED = ("completed", "expired", "cancelled", "failed")


class OpenAIBatchModel(OpenAIModel):
    """direct_rows: up to this number, prompts are sent without a batch. poll_s: time between two status requests.

    Where spend() raises, the rows before it are sent as a batch and waited for. complete() raises EndpointError also
    where the provider refuses a whole batch.
    """

    def __init__(
        self, ref: ModelRef, journal: BatchJournal, *, direct_rows: int = DIRECT_ROWS, poll_s: float = POLL_S
    ) -> None:
        super().__init__(ref)
        self.device = f"{self.device} batch"
        self.journal = journal
        self.direct_rows = direct_rows
        self.poll_s = poll_s

    def work(self, server: Server, rows: Rows) -> PaidWork:
        return Batches(self, server, rows)


class Batches:
    """One call of complete(), on the loop."""

    def __init__(self, model: OpenAIBatchModel, server: Server, rows: Rows) -> None:
        self.unaffordable: Exception | None = None
        self._model, self._server, self._rows = model, server, rows
        self._entries = Entries(model.journal, _name(model, rows.instruction))
        self._open = {custom_id(key): position for position, key in enumerate(rows.keys)}

    async def all(self) -> None:
        with self._server.call():
            for entry in self._entries.all():
                if not self._open.keys().isdisjoint(entry.sample):
                    await self._collect(entry, None)
            await self._ask_directly(1 if len(self._open) > self._model.direct_rows else len(self._open))
            rest = deque(self._open)
            submitted = []
            while rest and self.unaffordable is None:
                batch = await self._submit(rest)
                if batch is not None:
                    submitted.append(batch)
            for entry, ids in submitted:
                await self._collect(entry, ids)

    async def _ask_directly(self, n_rows: int) -> None:
        positions = list(self._open.values())[:n_rows]
        if positions:
            direct = self._completion(positions)
            await direct.all()
            self.unaffordable = direct.unaffordable

    def _completion(self, positions: Sequence[int]) -> Completion:
        keys = [self._rows.keys[position] for position in positions]
        rows = replace(
            self._rows,
            prompts=[self._rows.prompts[position] for position in positions],
            keys=keys,
            done=lambda place, reply: self._done(custom_id(keys[place]), reply),
        )
        return Completion(self._model, self._server, rows)

    def _done(self, row_id: str, reply: Reply | Failed | str) -> None:
        position = self._open.pop(row_id, None)
        if position is not None:
            self._rows.done(position, reply)

    async def _submit(self, rest: deque[str]) -> tuple[Entry, list[str]] | None:
        """A batch of the first of these rows, which are taken out; None where spend() allows none."""
        with tempfile.TemporaryDirectory(prefix="inlay-batch-") as folder:
            path = Path(folder) / "requests.jsonl"
            ids = await self._write(path, rest)
            if not ids:
                return None
            answer = await self._server.ask(
                self._server.url("files"), lambda: _upload(path), holds="id", timeout_s=_UPLOAD_S
            )
        entry = Entry.of(self._id_in(answer), ids)
        self._entries.write(entry)
        await self._make(entry)
        return entry, ids

    async def _write(self, path: Path, rest: deque[str]) -> list[str]:
        """Writes one line per row: as many as a batch takes and spend() allows."""
        completion = self._completion(range(len(self._rows.prompts)))
        ids: list[str] = []
        size = 0
        with path.open("wb") as file:
            while rest and len(ids) < MOST_ROWS:
                row_id = rest[0]
                position = self._open[row_id]
                line = b'{"custom_id": "%b", "method": "POST", "url": "/v1/chat/completions", "body": %b}\n' % (
                    row_id.encode(),
                    completion.body(position),
                )
                if size + len(line) > MOST_BYTES and ids:
                    break
                if not completion.afford(position):
                    self.unaffordable = completion.unaffordable
                    break
                rest.popleft()
                file.write(line)
                ids.append(row_id)
                size += len(line)
                if len(ids) % 1_000 == 0:
                    await asyncio.sleep(0)  # requests of other calls go on
        return ids

    async def _make(self, entry: Entry) -> None:
        """Makes the batch of an uploaded file once: after a lost answer it first looks whether the batch exists."""
        fields = {"input_file_id": entry.file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        body = json.dumps(fields).encode("ascii")
        url = self._server.url("batches")
        for attempt in range(1, ATTEMPTS + 1):
            answer = await self._server.ask(url, body, holds="id", attempts=1, name=custom_id(entry.file))
            if isinstance(answer, Verdict) and answer.kind == "again" and attempt < ATTEMPTS:
                entry.batch = await self._batch_of(entry.file)
                if not entry.batch:
                    await asyncio.sleep(wait_before_s(attempt + 1))
                    continue
            else:
                entry.batch = self._id_in(answer)
            break
        self._entries.write(entry)

    async def _batch_of(self, file: str) -> str:
        """The batch that the provider has created from this file, among the latest; '' for none."""
        answer = await self._server.ask(self._server.url("batches").update_query(limit=100), None, holds="data")
        if isinstance(answer, Verdict):
            raise self._server.refusal(answer)
        ids = [batch["id"] for batch in answer["data"] if batch.get("input_file_id") == file]
        return str(ids[0]) if ids else ""

    async def _collect(self, entry: Entry, ids: Sequence[str] | None) -> None:
        """Waits for the batch and hands its answers to done(). ids: its rows; None for a batch of an earlier process,
        whose rows without an answer are sent again."""
        if not entry.batch:
            entry.batch = await self._batch_of(entry.file)
        if not entry.batch:
            await self._make(entry)
        batch = await self._ended(self._server.url(f"batches/{entry.batch}"))
        if batch is None or batch["status"] == "failed":
            self._entries.forget(entry)
            if ids is None:
                return
            raise EndpointError(f"{self._server.where}: the provider refused the batch: {_errors_of(batch)}.")
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                await self._deliver(self._server.url(f"files/{batch[name]}/content"), not entry.delivered)
        for row_id in ids or ():
            self._done(row_id, f"the batch has ended ({batch['status']}) without an answer for this row")
        entry.delivered = True
        self._entries.write(entry)

    async def _ended(self, url: URL) -> Answer | None:
        """The batch when it has ended; None where the provider knows it no longer."""
        last_answer = time.monotonic()
        while True:
            answer = await self._server.ask(url, None, holds="status", attempts=1)
            if not isinstance(answer, Verdict):
                last_answer = time.monotonic()
                if answer["status"] in _ENDED:
                    return answer
            elif answer.kind == "absent":
                return None
            elif answer.kind not in ("again", "refused") or time.monotonic() - last_answer > _PATIENCE_S:
                raise self._server.refusal(answer)
            await asyncio.sleep(self._model.poll_s)

    async def _deliver(self, url: URL, with_errors: bool) -> None:
        """The file again from its start where the connection breaks: rows that were done are not done twice."""
        completion = self._completion(range(len(self._rows.prompts)))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async for line in self._server.lines(url):
                    self._take(line, completion, with_errors)
                return
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if attempt == ATTEMPTS:
                    why = self._server.hide(str(error)) or type(error).__name__
                    raise EndpointError(
                        f"{self._server.where}: the answers of the batch cannot be downloaded: {why}. The "
                        "provider keeps them: run the statement again."
                    ) from None
                await asyncio.sleep(wait_before_s(attempt + 1))

    def _take(self, line: bytes, completion: Completion, with_errors: bool) -> None:
        """One line of a file of answers or errors. with_errors: rows that failed are done with; otherwise, in a batch
        whose answers were delivered before, they are sent again."""
        try:
            row = json.loads(line)
            row_id, response = row["custom_id"], row.get("response") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        position = self._open.get(row_id)
        if position is None:
            return
        body = response.get("body")
        if response.get("status_code") == 200 and isinstance(body, dict):
            reply: Reply | Failed | str = completion.checked(body, position)
        else:
            status = response.get("status_code") or 400
            reported = row.get("error") or body
            verdict = judged(status, {}, json.dumps({"error": reported}).encode(), time.time(), self._server.hide)
            reply = verdict.reason
        if with_errors or isinstance(reply, Reply):
            self._done(row_id, reply)

    def _id_in(self, answer: Answer | Verdict) -> str:
        if isinstance(answer, Verdict):
            raise self._server.refusal(answer)
        return str(answer["id"])


def _name(model: OpenAIBatchModel, instruction: Instruction) -> str:
    endpoint = model.endpoint
    about = {"server": endpoint.base_url, "model": endpoint.model, "instruction": instruction.basis()}
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _upload(path: Path) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("purpose", "batch")
    form.add_field("file", path.open("rb"), filename="inlay.jsonl", content_type="application/jsonl")
    return form


def _errors_of(batch: Answer | None) -> str:
    errors: Any = (batch or {}).get("errors") or {}
    messages = [error.get("message") for error in errors.get("data") or [] if isinstance(error, dict)]
    return "; ".join(str(message) for message in messages[:3]) or (
        "it names no reason" if batch else "it no longer has this batch"
    )
