"""Language models through vLLM, in this process, for GPU servers. An extra of its own: pip install 'inlay[vllm]'.

NOT RUN IN THE TESTS. vLLM needs a GPU and a torch of its own, which the machines of this project's tests have not; what
is tested is how a request is built and how replies are handled, with a substitute for vLLM's engine. It is written for
vLLM 0.11 and later: LLM.llm_engine with add_request, step and abort_request, SamplingParams with structured_outputs.

vLLM schedules requests itself and reuses common beginnings of prompts, so max_batch_tokens has no effect here. It
writes replies only: log-likelihoods would need one pass of the whole prompt for each answer, and are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from inlay.arrays import Floats
from inlay.backends.base import Asked, BatchFailed, Done, Encoded, Instruction, Prompt, Reply, Tokens
from inlay.errors import CannotServeError, MissingExtraError
from inlay.json_schema.grammar import grammar_of
from inlay.models.ref import ModelRef

_MOST_TOKENS = 1 << 20  # of a batch, as the engine's budget reads it; vLLM cuts its own


class VLLMModel:
    """One model on the GPUs that vLLM takes for it (CUDA_VISIBLE_DEVICES)."""

    def __init__(self, ref: ModelRef) -> None:
        try:
            import vllm
        except ImportError as error:
            raise MissingExtraError.package(error.name or "vllm", "vllm", f"model {ref.name!r} on vLLM") from error
        from inlay.backends.chat.template import ChatPrompts
        from inlay.backends.model_files import check_digests, read_config
        from inlay.backends.pretrained import end_tokens, load_tokenizer

        check_digests(ref)
        self.ref = ref
        self.device = "vllm"
        self.max_batch_tokens = _MOST_TOKENS
        self.workers = 1
        tokenizer = load_tokenizer(ref)
        files = ("generation_config.json", "config.json")
        ends = end_tokens(*(read_config(ref, file).get("eos_token_id") for file in files), tokenizer.eos_token_id)
        self._chat = ChatPrompts(ref, tokenizer, ends, encoder_decoder=False)
        self._vllm = vllm
        self._engine = vllm.LLM(**engine_arguments(ref)).llm_engine
        self._numbers = count()

    def start_worker(self) -> None:
        """There is one worker."""

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        problem = schema_problem(instruction.schema)
        if problem is not None:
            return [problem] * len(prompts)
        return self._chat.encode(instruction.system, prompts, instruction.max_tokens)

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        requests = {f"inlay-{next(self._numbers)}": place for place in range(len(rows))}
        try:
            for name, place in requests.items():
                sampling = sampling_parameters(self._vllm, request(instruction, rows[place].ids))
                prompt = {"prompt_token_ids": rows[place].ids.tolist()}
                self._engine.add_request(name, prompt, sampling)
            reply_as_finished(self._engine, instruction, rows, requests, stopped, done)
        except Exception as error:
            raise BatchFailed(list(requests.values()), error) from error
        finally:
            if requests:
                self._engine.abort_request(list(requests))

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        raise _cannot_judge(self.ref)

    def run(self, tokens: Tokens) -> Floats:
        raise _cannot_judge(self.ref)


@dataclass(frozen=True)
class Request:
    """The values of vLLM's SamplingParams for one prompt. grammar: grammar of the reply, or None."""

    max_tokens: int
    temperature: float
    seed: int
    stop: tuple[str, ...]
    grammar: str | None


def request(instruction: Instruction, ids: npt.NDArray[np.int32]) -> Request:
    """seed: derived from the instruction's seed and the prompt, since vLLM samples by a request's seed alone. stop:
    empty where there is a schema, whose replies end by themselves."""
    digest = hashlib.sha256(f"{instruction.seed}/".encode() + ids.astype("<i4").tobytes()).digest()
    return Request(
        max_tokens=instruction.max_tokens,
        temperature=instruction.temperature,
        seed=int.from_bytes(digest[:4], "little") >> 1,
        stop=() if instruction.schema is not None else tuple(stop for stop in instruction.stop if stop),
        grammar=None if instruction.schema is None else _grammar(instruction.schema),
    )


def engine_arguments(ref: ModelRef) -> dict[str, Any]:
    """The arguments of vllm.LLM. Grammars are llguidance's, which vLLM calls guidance."""
    return {
        "model": str(ref.folder),
        "dtype": ref.dtype,
        "max_model_len": ref.max_tokens,
        "enable_prefix_caching": True,
        "structured_outputs_config": {"backend": "guidance"},
        "trust_remote_code": False,
        "disable_log_stats": True,
    }


def sampling_parameters(vllm: Any, request: Request) -> Any:
    """vLLM's own form of a request. Every token may be drawn, and no repetition is penalised: these are its defaults,
    which a model's generation_config does not change where parameters are given."""
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    return vllm.SamplingParams(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        seed=request.seed,
        stop=list(request.stop),
        structured_outputs=None if request.grammar is None else StructuredOutputsParams(grammar=request.grammar),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def reply_as_finished(
    engine: Any,
    instruction: Instruction,
    rows: Sequence[Encoded],
    requests: dict[str, int],
    stopped: Callable[[], bool],
    done: Done,
) -> None:
    """Steps the engine until all requests are finished or stopped() returns True; calls done() in the step that ends a
    reply.

    requests: row numbers by request name. Finished requests are removed, so the rest have no reply.
    """
    while requests and not stopped():
        for output in engine.step():
            if not output.finished or output.request_id not in requests:
                continue
            place = requests.pop(output.request_id)
            written = output.outputs[0]
            ended = written.finish_reason == "stop"
            if not ended and written.finish_reason != "length":
                done(place, f"vLLM stopped the reply: {written.finish_reason}")
                continue
            if instruction.schema is not None and not ended:
                done(place, f"the reply was cut at max_tokens = {instruction.max_tokens} before it was complete")
                continue
            row = rows[place]
            done(place, Reply(written.text, len(row.ids), len(written.token_ids), row.truncated, ended))


def schema_problem(schema: str | None) -> str | None:
    """Why replies cannot be held to a schema, or None."""
    if schema is None:
        return None
    from llguidance import LLMatcher

    try:
        failed, messages = LLMatcher.validate_grammar_with_warnings(LLMatcher.grammar_from_lark(_grammar(schema)))
    except ValueError as error:
        return str(error)
    return f"the schema cannot be enforced: {messages[0].splitlines()[0]}" if failed else None


@lru_cache(maxsize=64)
def _grammar(schema: str) -> str:
    return grammar_of(schema).text


def _cannot_judge(ref: ModelRef) -> CannotServeError:
    return CannotServeError(
        f"model {ref.name!r} runs on vLLM, which writes replies and does not compute how likely given answers "
        f"are. Register the model a second time, [models.{ref.name}-judge] source = {ref.source!r}, backend = 'torch', "
        f"and call with model := '{ref.name}-judge'."
    )
