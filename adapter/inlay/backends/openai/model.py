"""A language model behind an endpoint that speaks OpenAI's HTTP interface: RemoteModel of base.py.

Each row is one request: the task that sent it gets its reply, so no position in a body is used. spend() and
done() are called on the loop's thread: they must be quick, and never wait for complete(). spend() is called once for a
row, and once more where an invalid reply is asked for again, with an upper bound of what the request may take: a token
is a byte of its body at least. A row that this would take beyond a limit waits until a running one has given back what
it did not need. Repeats of a failed attempt are not counted, since providers do not charge for those; replies that were
cut, withheld or invalid are. stopped() is called in the caller's thread, ten times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from inlay.backends.base import Done, Failed, Instruction, Prompt, Reply, Spend
from inlay.backends.http.body import Answer
from inlay.backends.http.key import masked_reply
from inlay.backends.http.loop import share_out
from inlay.backends.http.verdict import Verdict
from inlay.backends.openai.dialect import (
    Dialect,
    Form,
    adapted,
    asking_for_json,
    failed_to_write_json,
    first_dialect,
)
from inlay.backends.openai.logprobs import NoLogprobs, shares_in
from inlay.backends.openai.reply import TEMPLATE_TOKENS, CutReply, NoReply, estimated_tokens, reply_in, written_in
from inlay.backends.openai.schema import ReplySchema
from inlay.backends.openai.server import PaidWork, Server, host, run_paid, server_for, usage_of
from inlay.backends.whole_reply import NotWhole, whole
from inlay.errors import CannotServeError, EndpointError
from inlay.models.ref import Endpoint, ModelRef

# Characters of an invalid reply that are shown to the model when it is asked again.
_SHOWN_BACK = 4_000

# Marks that a server's template may put around the messages, beyond what the body has.
_MOST_TEMPLATE_TOKENS = 64

Turn = tuple[str, str]


@dataclass(frozen=True)
class Rows:
    """What one call of complete() is given, see RemoteModel."""

    instruction: Instruction
    prompts: Sequence[Prompt]
    keys: Sequence[str]
    spend: Spend
    done: Done


class _Row:
    """What one row has taken so far, and what was set aside for it."""

    def __init__(self, set_aside: tuple[int, int]) -> None:
        self.read = self.written = 0
        self.set_aside = set_aside

    def add(self, answer: Answer, said: str) -> None:
        """What the server says that this answer took, or else about as much."""
        read, written = usage_of(answer)
        self.read += TEMPLATE_TOKENS + estimated_tokens(said) if read is None else read
        self.written += estimated_tokens(written_in(answer)) if written is None else written

    def failed(self, reason: str) -> Failed:
        return Failed(reason, self.read, self.written, self.set_aside)


class _Affordable:
    """The rows for which spend() allows a request, each taken by one of several tasks. While other rows run, a row that
    cannot be afforded is left for the task that finishes next. refusal: what spend() raised where none was running."""

    def __init__(self, n_rows: int, afford: Callable[[int], Exception | None]) -> None:
        self.running = 0
        self.refusal: Exception | None = None
        self._next, self._n, self._afford = 0, n_rows, afford

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self._next == self._n or self.refusal is not None:
            raise StopIteration
        refused = self._afford(self._next)
        if refused is not None:
            if not self.running:
                self.refusal = refused
            raise StopIteration
        self.running += 1
        self._next += 1
        return self._next - 1


class OpenAIModel:
    """The model behind ref.endpoint. Nothing is sent before the first row."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        self.endpoint = endpoint_of(ref)
        self.device = host(self.endpoint)
        server_for(self.endpoint)
        self._latest = Dialect()
        self._dialects: dict[str | None, Dialect] = {}

    def complete(
        self,
        instruction: Instruction,
        prompts: Sequence[Prompt],
        *,
        keys: Sequence[str],
        stopped: Callable[[], bool],
        spend: Spend,
        done: Done,
    ) -> None:
        """As RemoteModel describes it. Raises EndpointError as server.py lists it; rows that were done stay done."""
        if prompts:
            server = server_for(self.endpoint)
            run_paid(server, self.work(server, Rows(instruction, prompts, keys, spend, done)), stopped)

    def work(self, server: Server, rows: Rows) -> PaidWork:
        return Completion(self, server, rows)

    def dialect_for(self, schema: ReplySchema | None) -> Dialect:
        """The dialect that worked with this schema, or else with this endpoint."""
        known = self._dialects.get(None if schema is None else schema.text)
        if known is not None:
            return known
        return replace(self._latest, structured=first_dialect(self.endpoint.structured, schema).structured)

    def keep(self, schema: ReplySchema | None, dialect: Dialect) -> None:
        self._latest = dialect
        self._dialects[None if schema is None else schema.text] = dialect


class Completion:
    """One call of complete(), on the loop. unaffordable: what spend() raised where no running row could give anything
    back; after it none is begun."""

    def __init__(self, model: OpenAIModel, server: Server, rows: Rows) -> None:
        self.unaffordable: Exception | None = None
        self.schema = reply_schema(rows.instruction)
        self._model, self._server, self._rows = model, server, rows
        self.form = self._form(model.dialect_for(self.schema))
        self._url = server.url("chat/completions")
        self._affordable = _Affordable(
            len(rows.prompts),
            lambda position: self.unaffordable or self._spent(self._most(self.body(position))),
        )
        self._common_tokens = estimated_tokens(self.form.system) + TEMPLATE_TOKENS

    async def all(self) -> None:
        with self._server.call():
            tasks = min(self._server.endpoint.concurrency, len(self._rows.prompts))
            await share_out(self._affordable, tasks, self._answer)
        self.unaffordable = self.unaffordable or self._affordable.refusal

    def afford(self, position: int) -> bool:
        """Whether spend() allows a request about this row."""
        self.unaffordable = self._spent(self._most(self.body(position)))
        return self.unaffordable is None

    def _spent(self, most: tuple[int, int]) -> Exception | None:
        try:
            self._rows.spend(*most)
        except Exception as error:
            return error
        return None

    def _most(self, body: bytes) -> tuple[int, int]:
        """The most tokens that a request with this body may read and write."""
        return len(body) + _MOST_TEMPLATE_TOKENS, self._rows.instruction.max_tokens

    def body(self, position: int) -> bytes:
        return self.form.body(("user", self._rows.prompts[position].content))

    def checked(self, answer: Answer, position: int) -> Reply | Failed:
        """The row's reply in this answer, or why there is none; it is not asked for again."""
        content = self._rows.prompts[position].content
        row, said = _Row(self._most(self.body(position))), f"{self.form.system}{content}"
        row.add(answer, said)
        try:
            reply = whole(self._rows.instruction, content, self._reply(answer, said))
        except (NoReply, NotWhole) as error:
            return row.failed(self._server.hide(str(error)))
        return replace(reply, set_aside=row.set_aside)

    def _guess(self, text: str) -> int:
        return self._common_tokens + estimated_tokens(text)

    async def _answer(self, position: int) -> None:
        """The row's reply, or why there is none, to done()."""
        content = self._rows.prompts[position].content
        row = _Row(self._most(self.body(position)))
        try:
            reply = await self._replied(self._rows.keys[position], content, row)
        except (NoReply, NotWhole) as error:
            self._rows.done(position, row.failed(self._server.hide(str(error))))
        else:
            self._rows.done(
                position, replace(reply, tokens=row.read, output_tokens=row.written, set_aside=row.set_aside)
            )
        finally:
            self._affordable.running -= 1

    async def _replied(self, key: str, content: str, row: _Row) -> Reply:
        """The row's whole reply. Raises NoReply or NotWhole."""
        turn = ("user", content)
        answer, said = await self._ask(key, [turn], row)
        if self.schema is not None and isinstance(answer, Verdict) and failed_to_write_json(answer.complaint):
            return await self._again(key, content, [turn], answer.reason, row)
        try:
            first = self._reply(answer, said)
        except CutReply as error:
            # A schema that is enforced begins with its own bracket; prose without end is a schema that was not read.
            if self.schema is None or error.text.lstrip()[:1] in ("{", "[") or not self._schema_is_ignored():
                raise
            return await self._again(key, content, [turn], str(error), row)
        try:
            return whole(self._rows.instruction, content, first)
        except NotWhole as error:
            if self.schema is None or error.kind not in ("not JSON", "not valid"):
                raise
            if error.kind == "not JSON":
                self._schema_is_ignored()
            told = f"That reply is not valid: {error}. {asking_for_json(self.schema)}"
            turns = [turn, ("assistant", first.text[:_SHOWN_BACK]), ("user", told)]
            return await self._again(key, content, turns, str(error), row)

    async def _again(self, key: str, content: str, turns: Sequence[Turn], why: str, row: _Row) -> Reply:
        """A second reply, after one that is not valid, or that the server itself has found not to be. why: as the row's
        error says it. Raises NoReply or NotWhole."""
        most = self._most(self.form.body(*turns))
        refused = self._spent(most)
        if refused is not None:
            self.unaffordable = refused
            raise NoReply(f"{why}; asking again would pass a limit")
        row.set_aside = (row.set_aside[0] + most[0], row.set_aside[1] + most[1])
        try:
            answer, said = await self._ask(f"{key}.again", turns, row)
            return whole(self._rows.instruction, content, self._reply(answer, said))
        except (NoReply, NotWhole) as worse:
            raise NoReply(f"{why}; asked again: {worse}") from None

    def _reply(self, answer: Answer | Verdict, said: str) -> Reply:
        """said: all texts of the request. Raises NoReply."""
        if isinstance(answer, Verdict):
            raise NoReply(answer.reason)
        instruction, habits = self._rows.instruction, self._server.habits
        given, ended = reply_in(answer, instruction)
        if instruction.options:
            given, ended = self._shares(answer), True
        text = masked_reply(given, self._server.key())
        read, written = usage_of(answer)
        is_cut = read is not None and habits.has_cut(said, read)
        if is_cut and self._model.ref.too_long == "error":
            raise NoReply(
                f"the server has read {read:,} tokens, far fewer than the prompt has: it cut the text off. Raise the "
                "server's window, or set max_tokens of the model to it"
            )
        habits.endings = habits.endings or ended is not None
        if ended is None and not habits.endings and self.schema is None:
            # A server that never says how a reply ended; cut at the limit it would have as many tokens.
            ended = (2 * estimated_tokens(text) if written is None else written) < instruction.max_tokens
        return Reply(
            text,
            TEMPLATE_TOKENS + estimated_tokens(said) if read is None else read,
            estimated_tokens(text) if written is None else written,
            truncated=is_cut,
            ended=ended,
        )

    def _shares(self, answer: Answer) -> str:
        try:
            return shares_in(answer, self._rows.instruction.options)
        except NoLogprobs:
            raise self._no_logprobs("its answer contains no logprobs") from None

    def _no_logprobs(self, why: str) -> EndpointError:
        return EndpointError(
            f"{self._server.where}: {why}. Set logprobs = false under [models.{self._model.ref.name}]: the model then "
            "replies in words, without probabilities."
        )

    async def _ask(self, key: str, turns: Sequence[Turn], row: _Row) -> tuple[Answer | Verdict, str]:
        """The answer, and the texts of the request, which is sent again, each time with one parameter less, while the
        server refuses its format."""
        form, name = self.form, key
        tokens = sum(self._guess(content) for _, content in turns) + self._rows.instruction.max_tokens
        while True:
            said = "".join([form.system, *(content for _, content in turns)])
            answer = await self._server.ask(self._url, form.body(*turns), holds="choices", tokens=tokens, name=name)
            if not isinstance(answer, Verdict):
                row.add(answer, said)
                if name != key and form.dialect != self.form.dialect:
                    self._use(form)
                return answer, said
            if self._rows.instruction.options and answer.kind == "row" and "logprobs" in answer.complaint:
                raise self._no_logprobs(answer.reason)
            dialect = adapted(form.dialect, answer.complaint) if answer.kind == "row" else None
            if dialect is None:
                return answer, said
            form = self._form(dialect)
            name = f"{name}."  # another body, so not the same request

    def _form(self, dialect: Dialect) -> Form:
        return Form(self._server.endpoint, self._rows.instruction, self.schema, dialect)

    def _use(self, form: Form) -> None:
        """From now on, and in later calls: the server has taken it."""
        self.form = form
        self._model.keep(self.schema, form.dialect)

    def _schema_is_ignored(self) -> bool:
        """A server that enforced the schema would return JSON. This one does not, so the schema goes into the prompt.
        Returns whether it was not there before."""
        was_sent_apart = self.form.dialect.structured in ("strict", "json_schema")
        if was_sent_apart:
            self._use(self._form(replace(self.form.dialect, structured="none")))
        return was_sent_apart


def endpoint_of(ref: ModelRef) -> Endpoint:
    if ref.endpoint is None:
        raise CannotServeError(f"model {ref.name!r} has no endpoint: set base_url under [models.{ref.name}].")
    return ref.endpoint


def reply_schema(instruction: Instruction) -> ReplySchema | None:
    if instruction.schema is None or instruction.options:
        return None
    try:
        return ReplySchema(instruction.schema)
    except Exception as error:  # jsonschema's own, or of json
        raise CannotServeError(f"the schema of the replies is not valid JSON Schema: {error}") from None
