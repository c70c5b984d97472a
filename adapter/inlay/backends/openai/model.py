"""A language model behind an endpoint that speaks OpenAI's HTTP interface: RemoteModel of base.py.

Each row is one request: the task that sent it gets its reply, so no position in a body is used. spend() and
done() are called on the loop's thread: they must be quick, and never wait for complete(). spend() is called once for a
row, and once more where an invalid reply is asked for again; repeats of a failed attempt are not counted, since
providers do not charge for those. stopped() is called in the caller's thread, ten times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from inlay.backends.base import Done, Instruction, Prompt, Reply, Spend
from inlay.backends.http.key import masked_reply
from inlay.backends.http.loop import share_out
from inlay.backends.http.verdict import Verdict
from inlay.backends.openai.dialect import Dialect, Form, adapted, asking_for_json, first_dialect
from inlay.backends.openai.reply import TEMPLATE_TOKENS, NoReply, estimated_tokens, reply_in
from inlay.backends.openai.schema import NotValid, ReplySchema
from inlay.backends.openai.server import Answer, PaidWork, Server, host, run_paid, server_for, usage_of
from inlay.errors import CannotServeError
from inlay.models.ref import Endpoint, ModelRef

# Characters of an invalid reply that are shown to the model when it is asked again.
_SHOWN_BACK = 4_000

Turn = tuple[str, str]


@dataclass(frozen=True)
class Rows:
    """What one call of complete() is given, see RemoteModel."""

    instruction: Instruction
    prompts: Sequence[Prompt]
    keys: Sequence[str]
    spend: Spend
    done: Done


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
    """One call of complete(), on the loop. unaffordable: what spend() raised; after it no row is begun."""

    def __init__(self, model: OpenAIModel, server: Server, rows: Rows) -> None:
        self.unaffordable: Exception | None = None
        self.schema = reply_schema(rows.instruction)
        self._model, self._server, self._rows = model, server, rows
        self.form = self._form(model.dialect_for(self.schema))
        self._url = server.url("chat/completions")
        self._common_tokens = estimated_tokens(self.form.system) + TEMPLATE_TOKENS

    async def all(self) -> None:
        with self._server.call():
            tasks = min(self._server.endpoint.concurrency, len(self._rows.prompts))
            await share_out(self._affordable(), tasks, self._answer)

    def tokens(self, position: int) -> int:
        """The estimated tokens of this row's request."""
        return self._guess(self._rows.prompts[position].content)

    def afford(self, tokens: int) -> bool:
        """Whether spend() allows one more request of so many tokens."""
        try:
            self._rows.spend(tokens, self._rows.instruction.max_tokens)
        except Exception as error:
            self.unaffordable = error
        return self.unaffordable is None

    def body(self, position: int) -> bytes:
        return self.form.body(("user", self._rows.prompts[position].content))

    def checked(self, answer: Answer, position: int) -> Reply | str:
        """The row's reply in this answer, or why there is none; it is not asked for again."""
        try:
            reply = self._reply(answer, self.tokens(position))
            return reply if self.schema is None else replace(reply, text=self.schema.compact(reply.text))
        except NoReply as error:
            return self._server.hide(str(error))
        except NotValid as error:
            return self._server.hide(str(_not_valid(error)))

    def _affordable(self) -> Iterator[int]:
        for position in range(len(self._rows.prompts)):
            if self.unaffordable is not None or not self.afford(self.tokens(position)):
                return
            yield position

    def _guess(self, text: str) -> int:
        return self._common_tokens + estimated_tokens(text)

    async def _answer(self, position: int) -> None:
        """The row's reply, or why there is none, to done()."""
        turn = ("user", self._rows.prompts[position].content)
        key = self._rows.keys[position]
        try:
            answer = await self._ask(key, [turn])
            reply: Reply | None = self._reply(answer, self._guess(turn[1]))
            if self.schema is not None and reply is not None:
                try:
                    reply = replace(reply, text=self.schema.compact(reply.text))
                except NotValid as error:
                    reply = await self._again(key, turn, reply, error)
        except NoReply as error:
            self._rows.done(position, self._server.hide(str(error)))
        else:
            if reply is not None:
                self._rows.done(position, reply)

    async def _again(self, key: str, turn: Turn, first: Reply, error: NotValid) -> Reply | None:
        """A second reply, after one that is not valid; None where it cannot be afforded. Raises NoReply."""
        assert self.schema is not None
        if not error.is_json:
            self._schema_is_ignored()
        reason = f"That reply is not valid: {error}. {asking_for_json(self.schema)}"
        turns = [turn, ("assistant", first.text[:_SHOWN_BACK]), ("user", reason)]
        tokens = sum(self._guess(content) for _, content in turns)
        if not self.afford(tokens):
            return None
        try:
            second = self._reply(await self._ask(f"{key}.again", turns), tokens)
        except NoReply as worse:
            raise NoReply(f"{_not_valid(error)}; asked again: {worse}") from None
        try:
            text = self.schema.compact(second.text)
        except NotValid as still:
            raise _not_valid(still) from None
        return Reply(text, first.tokens + second.tokens, first.output_tokens + second.output_tokens)

    def _reply(self, answer: Answer | Verdict, tokens: int) -> Reply:
        """tokens: the estimate of the tokens read, where the server does not count. Raises NoReply."""
        if isinstance(answer, Verdict):
            raise NoReply(answer.reason)
        content, ended = reply_in(answer, self._rows.instruction)
        text = masked_reply(content, self._server.key())
        read, written = usage_of(answer)
        written = estimated_tokens(text) if written is None else written
        return Reply(text, tokens if read is None else read, written, ended=ended)

    async def _ask(self, key: str, turns: Sequence[Turn]) -> Answer | Verdict:
        """Sends the request again, each time with one parameter less, while the server refuses its format."""
        form, name = self.form, key
        tokens = sum(self._guess(content) for _, content in turns) + self._rows.instruction.max_tokens
        while True:
            answer = await self._server.ask(self._url, form.body(*turns), holds="choices", tokens=tokens, name=name)
            if not isinstance(answer, Verdict):
                if name != key and form.dialect != self.form.dialect:
                    self._use(form)
                return answer
            dialect = adapted(form.dialect, answer.complaint) if answer.kind == "row" else None
            if dialect is None:
                return answer
            form = self._form(dialect)
            name = f"{name}."  # another body, so not the same request

    def _form(self, dialect: Dialect) -> Form:
        return Form(self._server.endpoint.model, self._rows.instruction, self.schema, dialect)

    def _use(self, form: Form) -> None:
        """From now on, and in later calls: the server has taken it."""
        self.form = form
        self._model.keep(self.schema, form.dialect)

    def _schema_is_ignored(self) -> None:
        """A server that enforced the schema would return JSON. This one does not, so the schema goes into the
        prompt."""
        if self.form.dialect.structured in ("strict", "json_schema"):
            self._use(self._form(replace(self.form.dialect, structured="none")))


def endpoint_of(ref: ModelRef) -> Endpoint:
    if ref.endpoint is None:
        raise CannotServeError(f"model {ref.name!r} has no endpoint: set base_url under [models.{ref.name}].")
    return ref.endpoint


def reply_schema(instruction: Instruction) -> ReplySchema | None:
    if instruction.schema is None:
        return None
    try:
        return ReplySchema(instruction.schema)
    except Exception as error:  # jsonschema's own, or of json
        raise CannotServeError(f"the schema of the replies is not valid JSON Schema: {error}") from None


def _not_valid(error: NotValid) -> NoReply:
    return NoReply(f"the reply is not valid for the schema: {error}")
