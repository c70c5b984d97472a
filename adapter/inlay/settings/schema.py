"""What a user may set: every key, declared once."""

# Annotations are needed as objects here (see declare.py), so they are not deferred.
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from inlay.settings.check import Hidden, Matches, Range
from inlay.settings.declare import Doc, Short, entry_of
from inlay.types import ModelTask, OnError, Structured, TooLong

DEFAULT_MODEL = "minilm"

Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]
Backend = Literal["torch", "vllm", "openai", "fake"]
Progress = Literal["auto", "bar", "lines", "off"]
StoreMode = Literal["read-write", "read-only", "off"]
Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
Device = Annotated[
    str, Matches(r"auto|(cpu|cuda|mps)(:[0-9]+)?", "one of auto, cpu, cuda, mps, or one device, such as cuda:1")
]
Folder = Annotated[Path, Matches(r".+", "a folder")]
Limit = Annotated[float | None, Range(min=0)]
MaybeEmpty = Annotated[str, Matches("", "text")]
_FROM_FILES = "read from the model's files"


@dataclass(frozen=True)
class ModelSettings:
    """What a user said about a model."""

    name: str
    source: Annotated[
        str,
        Doc(
            "a folder; `hub:owner/name` or `hub:owner/name@revision`; `package:name/folder`; `gguf:file`; "
            "`ollama:name`, which Ollama has fetched; `openai:name` behind an endpoint; several with `|` between them: "
            "the first that is found",
            unset="required, but for the models that come with inlay",
        ),
    ]
    task: Annotated[
        ModelTask | None, Doc("what the model was made for; `generate` is a language model", _FROM_FILES)
    ] = None
    backend: Annotated[Backend | None, Doc("what runs the model", "decided by `source`; `torch` for files")] = None
    device: Annotated[Device | None, Doc("where the model runs", "`device` of the session")] = None
    dtype: Annotated[
        Dtype | None, Doc("the precision of its products; `int8`: of its weights", "`dtype` of the session")
    ] = None
    max_tokens: Annotated[
        int | None,
        Range(min=3),
        Doc(
            "the longest text, in tokens, special tokens included; of an endpoint, the model's window",
            f"{_FROM_FILES}; 128,000 for a language model behind an endpoint",
        ),
    ] = None
    too_long: Annotated[
        TooLong | None,
        Doc(
            "what happens to a text beyond `max_tokens`: it is cut and counted, or its row fails",
            "`truncate`; `error` for a language model and an endpoint",
        ),
    ] = None
    pooling: Annotated[
        tuple[Pooling, ...] | None, Doc("how a plain encoder's tokens become one vector", _FROM_FILES)
    ] = None
    normalize: Annotated[bool | None, Doc("whether vectors are made unit length", _FROM_FILES)] = None
    prompts: Annotated[
        tuple[tuple[str, MaybeEmpty], ...] | None,
        Doc("texts that are put before a `query` or a `document`", _FROM_FILES),
    ] = None
    template: Annotated[
        str | None,
        Doc(
            "how a label becomes a sentence for zero-shot, such as `'This text is about {label}.'`",
            "neutral sentences of inlay's own",
        ),
    ] = None
    sha256: Annotated[
        str | None,
        Matches(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case"),
        Doc("the SHA-256 of the weights, or of the GGUF file; others are refused", "any"),
    ] = None
    cost_per_million_tokens: Annotated[
        float, Range(min=0), Doc("money for what the model reads, for the ledger, `inlay plan` and `max_cost`")
    ] = 0.0
    cost_per_million_output_tokens: Annotated[
        float | None, Range(min=0), Doc("money for what a language model writes", "the same as for reading")
    ] = None
    max_output_tokens: Annotated[
        int | None, Range(min=1), Doc("the longest reply, in tokens, where a call does not say", "512")
    ] = None
    chat_template_options: Annotated[
        tuple[tuple[str, Any], ...], Doc("variables for a language model's chat template, by name")
    ] = ()
    width: Annotated[
        int | None,
        Range(min=1),
        Doc("the length of an endpoint's embeddings", "required where an endpoint's `task` is `embed`"),
    ] = None
    revision: Annotated[
        str | None,
        Doc("a part of an endpoint's identity: change it when the provider changes the model under its name", "none"),
    ] = None
    tokenizer: Annotated[
        str | None, Doc("a folder or `hub:…` for exact token counts of an endpoint's model", "counts are estimated")
    ] = None
    link_local: Annotated[
        bool, Doc("whether `base_url` may be a link-local address, where clouds keep the machine's own credentials")
    ] = False
    base_url: Annotated[
        str | None,
        Matches(r"https?://[^/\s@]+(/[^\s@]*)?", "an address such as https://api.openai.com/v1"),
        Hidden(
            "@",
            "may not hold a name or password. Name the environment variable of the key instead: "
            "api_key_env = 'MY_KEY'.",
        ),
        Doc("the address of an endpoint", "required where `source` is `openai:…`"),
    ] = None
    api_key_env: Annotated[
        str | None,
        Matches(
            r"(?!(?=\w*[a-z])(?=\w*\d)\w{20,}$|[A-F\d]{24,}$|AKIA\w{16}$)[A-Za-z_]\w{0,63}",
            "text, the name of an environment variable",
        ),
        Hidden(
            r"\W|^\d|^(?=.*[a-z])(?=.*\d)\w{20,}$|^[A-F\d]{24,}$|^AKIA\w{16}$|^\w{65,}$",
            "is no name of an environment variable. If it is the key itself, put that into a variable and name it: "
            "api_key_env = 'MY_KEY'.",
        ),
        Doc("the name of the environment variable that holds an endpoint's key", "no key is sent"),
    ] = None
    concurrency: Annotated[
        int | None, Range(min=1), Doc("an endpoint's requests under way at once, of the whole process", "32")
    ] = None
    requests_per_minute: Annotated[
        float | None, Range(above=0), Doc("the pace of an endpoint's requests that is kept to", "no limit")
    ] = None
    tokens_per_minute: Annotated[
        float | None, Range(above=0), Doc("the pace of an endpoint's tokens that is kept to", "no limit")
    ] = None
    timeout_s: Annotated[
        float | None, Range(above=0), Doc("how long one attempt at an endpoint's request may take, in seconds", "60")
    ] = None
    retry_s: Annotated[
        float | None,
        Range(min=0),
        Doc("how long after its first attempt an endpoint's request is tried again, in seconds", "300"),
    ] = None
    structured: Annotated[
        Structured | None, Doc("how an endpoint is told that a reply must be JSON", "`json_schema`")
    ] = None
    logprobs: Annotated[
        bool,
        Doc(
            "whether an endpoint is asked for the log-probabilities of a reply's first token, so that `ai_classify`, "
            "`ai_filter`, `ai_score` and `ai_sentiment` have probabilities"
        ),
    ] = False
    reasoning_effort: Annotated[
        str | None,
        Doc(
            "how much a model behind an endpoint thinks, in the server's words: `minimal`, `low` …", "the server's own"
        ),
    ] = None
    extra_body: Annotated[
        tuple[tuple[str, Any], ...],
        Doc(
            "more fields of an endpoint's requests, by name, such as `{chat_template_kwargs = {enable_thinking = "
            "false}}`; a part of the model's identity"
        ),
    ] = ()
    headers: Annotated[
        tuple[tuple[str, str], ...],
        Doc("more headers of an endpoint's requests, by name; a key goes into `api_key_env`"),
    ] = ()
    api_key_header: Annotated[
        str | None,
        Matches(r"[A-Za-z0-9-]+", "the name of a header, such as api-key"),
        Doc("the header of an endpoint's key, such as `api-key` for classic Azure", "`Authorization`, with `Bearer`"),
    ] = None
    batch: Annotated[bool, Doc("whether an endpoint is asked through its Batch API; needs a `store`")] = False


@dataclass(frozen=True)
class Settings:
    """What a session was configured with.

    places: where each key was set, by its dotted name; models and functions by theirs (models.small).
    """

    model: Annotated[
        str, Doc("the model of a call that names none: a registered name, a folder or `hub:owner/name`")
    ] = DEFAULT_MODEL
    language_model: Annotated[
        str | None,
        Doc(
            "the model of functions that only a language model answers, where a call names none", "the value of `model`"
        ),
    ] = None
    models: Annotated[
        Mapping[str, Annotated[ModelSettings, Short("source")]],
        Doc("the registered models by name; a text is a model's `source`", "the models that come with inlay"),
    ] = field(default_factory=dict)
    functions: Annotated[
        Mapping[str, Mapping[str, Any]], Doc("for a function, the options of a call that gives none", "none")
    ] = field(default_factory=dict)
    prompts_folder: Annotated[
        Folder | None,
        Doc(
            "a folder with prompts of your own for language models: `ai_classify.toml`, or "
            "`name of a model/ai_classify.toml` for that one",
            "those of inlay",
        ),
    ] = None
    functions_folders: Annotated[
        tuple[Folder, ...], Doc("folders with SQL functions of your own; those of all places add up")
    ] = ()
    device: Annotated[
        Device, Doc("where models run; `auto` takes every CUDA device, else Apple's GPU, else the CPU")
    ] = "auto"
    dtype: Annotated[Dtype, Doc("the precision of products; `auto` is what the hardware multiplies fast")] = "auto"
    on_error: Annotated[
        OnError, Doc("what a failed row does: it is NULL and listed in `inlay_errors()`, or it stops the statement")
    ] = "null"
    progress: Annotated[
        Progress, Doc("how progress is shown; `auto` is a bar on a terminal and in a notebook, else nothing")
    ] = "auto"
    heads: Annotated[
        str,
        Matches(r".+", "a folder"),
        Doc("the folder where heads are kept that were trained from labelled rows (`inlay_train`)"),
    ] = "heads"
    prefix: Annotated[
        str,
        Matches(
            r"([A-Za-z_][A-Za-z0-9_]*)?",
            "the beginning of a name: letters, digits and _, no digit first, such as inlay_",
        ),
        Doc("text that every function's name begins with"),
    ] = ""
    memory_mb: Annotated[
        int,
        Range(min=0),
        Doc("how much of what models computed a process keeps, in MB, so that equal inputs are inferred once"),
    ] = 512
    loaded_memory_mb: Annotated[
        int | None,
        Range(min=1),
        Doc(
            "how much the weights of all loaded models may take together, in MB: the model that was idle longest is "
            "unloaded before another is loaded",
            "no limit",
        ),
    ] = None
    store: Annotated[
        str | None,
        Matches("", "a folder or an address such as s3://bucket/inlay"),
        Doc(
            "the result store, a folder or an address such as `s3://bucket/inlay`",
            "none: what was inferred is forgotten with the process",
        ),
    ] = None
    store_mode: Annotated[StoreMode, Doc("how the store is used; `read-only` writes nothing, not even the account")] = (
        "read-write"
    )
    store_vectors: Annotated[
        bool,
        Doc(
            "whether the store also keeps what models computed, so that an edited label or another function over the "
            "same text calls no model; 1.5 KB a text for 384 numbers"
        ),
    ] = True
    store_inputs: Annotated[
        bool, Doc("whether the store also keeps the inputs, so that `inlay store verify` can compute keys again")
    ] = False
    max_rows: Annotated[Limit, Doc("how many inputs the models of a session may read", "no limit")] = None
    max_tokens: Annotated[Limit, Doc("how many tokens the models of a session may read and write", "no limit")] = None
    max_seconds: Annotated[Limit, Doc("how many seconds the models of a session may run", "no limit")] = None
    max_cost: Annotated[
        Limit, Doc("how much the models of a session may cost, by `cost_per_million_tokens`", "no limit")
    ] = None
    places: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


DOCUMENT = entry_of(Settings)
"""A whole inlay.toml, or what one of the other places says."""
