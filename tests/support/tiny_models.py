"""Tiny models with random weights and real tokenizers, saved as folders, each made once per test session.

Use: `pytest_plugins = ["tiny_models"]` in a test module gives the fixture `tiny_models`; ask it for the folder you
need, and the same question gives the same folder. Weights are drawn from a wide distribution (standard deviation
0.3, where real models start at 0.02), so that attention and positions matter: a wrong mask, position or token type
moves a vector by tenths, four orders of magnitude above the tolerances of the tests. (PYTEST_DONT_REWRITE: test
modules import the lists below before pytest loads this file as a plugin.)
"""

from __future__ import annotations

import inspect
import itertools
import json
import random
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.installed_versions import SENTENCE_TRANSFORMERS, pooling, sentence_module, tokenizer_of

MAX_TOKENS = 192
"""What every tiny model reads: long enough for texts above 128 tokens, short enough that 300 words are cut."""

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

SENTENCES = (
    "The parcel arrived three days late and the box was broken on one side.",
    "I love this lamp: it is bright, quiet and was easy to put together!",
    "Please refund my order, nobody answers the telephone since Monday.",
    "Le colis est arrivé en retard, mais le service client était très aimable.",
    "Die Lieferung kam pünktlich, leider fehlte die Anleitung für den Aufbau.",
    "Great value for the money; works as described in the manual.",
    "The app crashes whenever I open the settings on my old phone.",
    "Why does the battery last only two hours when 12 were promised?",
    "Shoes fit well, colour is nicer than in the pictures, would buy again.",
    "Terrible quality. The handle broke after a week and the paint came off.",
)

_WORDS = [word for sentence in SENTENCES for word in sentence.split()]


def words(n: int, seed: int = 0) -> str:
    """n words, drawn again from the sentences above."""
    return " ".join(random.Random(f"{seed}/{n}").choices(_WORDS, k=n))


_ANY = (
    "",
    " ",
    "a",
    "Broken!",
    *SENTENCES,
    "🙂 the lamp 👍🏽 was great 👩‍👩‍👧 thanks",
    "ÀÉÎ İstanbul ΣΊΣΥΦΟΣ straße ﬁne — “quoted”…",
    "電池はすぐに切れます。 Батарея садится быстро.",
    "line\nbreak\ttab\r\nand  two  spaces ",
    "a literal [SEP] and <pad> and [PAD] and </s> and <mask> and [MASK] inside",
    SENTENCES[0],
    "Broken!",
    *(words(n) for n in (2, 3, 5, 8, 13, 21, 34, 55, 89, 110, 130, 150, 200, 250, 300)),
    "x" * 700,
    words(300),
)
# sentence-transformers 5 strips every text, which inlay, like 6, does not.
TEXTS: tuple[str, ...] = _ANY if SENTENCE_TRANSFORMERS >= 6 else tuple(text.strip() for text in _ANY)
"""1 to 300 words, empty, blank, emoji, scripts outside the vocabulary, special tokens spelt out, one long word,
duplicates, texts of more than 128 tokens and of more than the models read."""


@dataclass(frozen=True)
class Family:
    """How a tiny model of one architecture is made. options: of its transformers configuration."""

    config: str
    tokenizer: Callable[[], Any]
    options: dict[str, Any]


def _pieces() -> tuple[list[str], list[str], list[str]]:
    """Letters, beginnings of words and ends of words in SENTENCES, upper and lower case, with and without accents.

    The trainers for WordPiece and Unigram give another vocabulary in each process; this one is always the same.
    """
    plain = unicodedata.normalize("NFD", " ".join(SENTENCES))
    spelt = f"{' '.join(SENTENCES)} {''.join(c for c in plain if not unicodedata.combining(c))}"
    found = sorted(set(re.findall(r"\w+|[^\w\s]", f"{spelt} {spelt.lower()}")))
    letters = sorted({letter for word in found for letter in word})
    beginnings = sorted(
        {*(word[:3] for word in found if len(word) > 3), *(word for word in found[::2] if len(word) > 1)}
    )
    ends = sorted({word[-3:] for word in found if len(word) > 5})
    return letters, beginnings, ends


def _wordpiece(*special: str) -> dict[str, int]:
    letters, beginnings, ends = _pieces()
    tokens = [*special, *letters, *(f"##{letter}" for letter in letters), *beginnings, *(f"##{end}" for end in ends)]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def _byte_bpe(*special: str) -> tuple[dict[str, int], list[tuple[str, str]], Any]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    saved = json.loads(tokenizer.to_str())["model"]
    return saved["vocab"], [(a, b) for a, b in saved["merges"]], tokenizer


def _unigram(*special: str) -> list[tuple[str, float]]:
    """Token and log probability; `special` come first, which is where XLM-R and CamemBERT have theirs."""
    letters, beginnings, ends = _pieces()
    likely = {"▁": -3.0, **dict.fromkeys(letters, -8.0), **dict.fromkeys(ends, -7.0)}
    likely |= {f"▁{beginning}": -6.0 - 0.01 * len(beginning) for beginning in beginnings}
    return [*((token, 0.0) for token in special), *likely.items()]


_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def _bert_tokenizer(lowercase: bool = True) -> Any:
    return tokenizer_of(
        "BertTokenizer", _wordpiece(*_BERT_SPECIAL), do_lower_case=lowercase, model_max_length=MAX_TOKENS
    )


def _distilbert_tokenizer() -> Any:
    return tokenizer_of("DistilBertTokenizer", _wordpiece(*_BERT_SPECIAL), model_max_length=MAX_TOKENS)


def _mpnet_tokenizer() -> Any:
    vocab = _wordpiece("<s>", "<pad>", "</s>", "<unk>", "<mask>", "[UNK]")
    return tokenizer_of("MPNetTokenizer", vocab, model_max_length=MAX_TOKENS)


def _roberta_tokenizer() -> Any:
    vocab, merges, _ = _byte_bpe(*_ROBERTA_SPECIAL)
    return tokenizer_of("RobertaTokenizer", vocab, merges, model_max_length=MAX_TOKENS)


def _xlm_roberta_tokenizer() -> Any:
    return tokenizer_of("XLMRobertaTokenizer", _unigram(*_ROBERTA_SPECIAL), model_max_length=MAX_TOKENS)


def _camembert_tokenizer() -> Any:
    vocab = _unigram("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>")
    return tokenizer_of("CamembertTokenizer", vocab, model_max_length=MAX_TOKENS)


def _modernbert_tokenizer() -> Any:
    """Byte-level BPE with BERT's special tokens, as ModernBERT's own."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    _, _, tokenizer = _byte_bpe(*_BERT_SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        mask_token="[MASK]",
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )


_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": MAX_TOKENS,
    "initializer_range": 0.3,
}
_FROM_PAD = {
    **_SMALL,
    "max_position_embeddings": MAX_TOKENS + 2,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}

FAMILIES: dict[str, Family] = {
    "bert": Family("BertConfig", _bert_tokenizer, _SMALL),
    "roberta": Family("RobertaConfig", _roberta_tokenizer, {**_FROM_PAD, "type_vocab_size": 1}),
    "mpnet": Family("MPNetConfig", _mpnet_tokenizer, _FROM_PAD),
    "distilbert": Family(
        "DistilBertConfig",
        _distilbert_tokenizer,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": MAX_TOKENS,
         "initializer_range": 0.3},
    ),
    "xlm-roberta": Family("XLMRobertaConfig", _xlm_roberta_tokenizer, {**_FROM_PAD, "type_vocab_size": 1}),
    # Global attention in the first layer, a window of 32 tokens in the second.
    "modernbert": Family(
        "ModernBertConfig",
        _modernbert_tokenizer,
        {**_SMALL, "local_attention": 32, "global_attn_every_n_layers": 2, "pad_token_id": 0, "bos_token_id": 2,
         "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    ),
    # Embeddings narrower than the layers, as in the published small model.
    "electra": Family("ElectraConfig", _bert_tokenizer, {**_SMALL, "embedding_size": 16}),
    "camembert": Family("CamembertConfig", _camembert_tokenizer, {**_FROM_PAD, "bos_token_id": 5, "eos_token_id": 6,
                                                                  "type_vocab_size": 1}),
}  # fmt: skip


class TinyModels:
    """Folders of tiny models below one root. Do not change them: copy() gives a folder of your own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, Path] = {}
        self._numbers = itertools.count()

    def encoder(self, family: str, *, cased: bool = False) -> Path:
        """A plain encoder: config.json, model.safetensors, tokenizer files; no modules.json."""

        def make(folder: Path) -> None:
            import transformers

            made = FAMILIES[family]
            tokenizer = _bert_tokenizer(lowercase=False) if cased else made.tokenizer()
            config = getattr(transformers, made.config)(vocab_size=len(tokenizer), **made.options)
            with _seeded(f"encoder {family}"):
                transformers.AutoModel.from_config(config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)

        return self._once(f"encoder-{family}{'-cased' if cased else ''}", make)

    def sentence(
        self,
        family: str = "bert",
        mode: str | Sequence[str] = "mean",
        *,
        after: Sequence[str] = (),
        prompts: dict[str, str] | None = None,
        include_prompt: bool = True,
    ) -> Path:
        """A sentence-transformers folder, as that library saves it.

        after: names of AFTER that follow pooling, in order.
        """
        modes = [mode] if isinstance(mode, str) else list(mode)

        def make(folder: Path) -> None:
            from sentence_transformers import SentenceTransformer

            transformer = sentence_module("Transformer")(str(self.encoder(family)))
            modules = [transformer, pooling(32, modes, include_prompt=include_prompt)]
            with _seeded(f"after {after}"):
                width = 32 * len(modes)
                for name in after:
                    modules.append(AFTER[name](width))
                    width = getattr(modules[-1], "out_features", width)
            model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
            model.save_pretrained(str(folder), create_model_card=False)

        said = json.dumps([modes, list(after), prompts, include_prompt])
        return self._once(f"sentence-{family}-{said}", make)

    def old_sentence(self, switches: Sequence[str], *, max_seq_length: int = 100, lowercase: bool = False) -> Path:
        """A folder as sentence-transformers 2 wrote it: switches instead of pooling_mode, types under .models.

        The tokenizer keeps upper case; lowercase is that library's own do_lower_case.
        """

        def make(folder: Path) -> None:
            shutil.copytree(self.encoder("bert", cased=True), folder)
            types = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
            modules = [
                {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for i, (path, kind) in enumerate(types)
            ]
            write_json(folder / "modules.json", modules)
            settings = {"max_seq_length": max_seq_length, "do_lower_case": lowercase}
            write_json(folder / "sentence_bert_config.json", settings)
            known = (
                "cls_token",
                "mean_tokens",
                "max_tokens",
                "mean_sqrt_len_tokens",
                "weightedmean_tokens",
                "lasttoken",
            )
            pooling = {f"pooling_mode_{name}": name in switches for name in known}
            write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pooling})

        return self._once(f"old-{'-'.join(switches)}-{max_seq_length}-{lowercase}", make)

    def classifier(
        self, labels: Sequence[str], *, family: str = "bert", pairs: bool = False, multi_label: bool = False
    ) -> Path:
        """A sequence classifier whose logits follow `labels`: spread by 2 and around 0 on SENTENCES, or on pairs of
        them, so that its answers differ."""

        def make(folder: Path) -> None:
            import torch
            import transformers

            made = FAMILIES[family]
            tokenizer = made.tokenizer()
            config = getattr(transformers, made.config)(
                vocab_size=len(tokenizer),
                id2label=dict(enumerate(labels)),
                label2id={label: i for i, label in enumerate(labels)},
                **({"problem_type": "multi_label_classification"} if multi_label else {}),
                **made.options,
            )
            with _seeded(f"classifier {family} {len(labels)}"), torch.no_grad():
                model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
                others = (SENTENCES[1:] + SENTENCES[:1],) if pairs else ()
                logits = model(**tokenizer(SENTENCES, *others, padding=True, return_tensors="pt")).logits
                (last,) = (m for m in model.modules() if getattr(m, "out_features", 0) == len(labels))
                factors = 2 / logits.std(dim=0)
                last.weight.mul_(factors[:, None])
                last.bias.copy_((last.bias - logits.mean(dim=0)) * factors)
                model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)

        return self._once(f"classifier-{family}-{json.dumps(list(labels))}-{pairs}-{multi_label}", make)

    def copy(self, folder: Path) -> Path:
        """The same files in another folder, which the caller may change."""
        return Path(shutil.copytree(folder, self._root / str(next(self._numbers))))

    def _once(self, said: str, make: Callable[[Path], None]) -> Path:
        if said not in self._made:
            folder = self._root / str(next(self._numbers))
            make(folder)
            self._made[said] = folder
        return self._made[said]


def _dense(width: int, activation: str, *, bias: bool = True, residual: bool = False, out: int = 24) -> Any:
    import torch

    kind = sentence_module("Dense")
    options = {"use_residual": True} if residual else {}
    if residual and "use_residual" not in inspect.signature(kind.__init__).parameters:
        pytest.skip("this sentence-transformers has no residual layers")
    return kind(width, out, bias=bias, activation_function=getattr(torch.nn, activation)(), **options)


def _layer_norm(width: int) -> Any:
    import torch

    module = sentence_module("LayerNorm")(width)
    # A fresh one multiplies by 1 and adds 0, which would hide that its weights are never read.
    torch.nn.init.normal_(module.norm.weight, 1.0, 0.3)
    torch.nn.init.normal_(module.norm.bias, 0.0, 0.3)
    return module


def _normalize(width: int) -> Any:
    return sentence_module("Normalize")()


AFTER: dict[str, Callable[[int], Any]] = {
    "dense tanh": lambda width: _dense(width, "Tanh"),
    "dense identity": lambda width: _dense(width, "Identity"),
    "dense without bias": lambda width: _dense(width, "Identity", bias=False),
    "dense gelu": lambda width: _dense(width, "GELU"),
    "dense residual": lambda width: _dense(width, "Tanh", residual=True),
    "dense residual of equal width": lambda width: _dense(width, "Tanh", residual=True, out=width),
    "layer norm": _layer_norm,
    "normalize": _normalize,
}
"""What can follow pooling: name → the module for vectors of a width."""


class _seeded:  # noqa: N801 - reads as a word in a with statement
    """Weights from a seed of their own, and torch's generator as it was before."""

    def __init__(self, said: str) -> None:
        self._said = said

    def __enter__(self) -> None:
        import torch

        self._state = torch.get_rng_state()
        torch.manual_seed(random.Random(self._said).randrange(2**31))

    def __exit__(self, *_: object) -> None:
        import torch

        torch.set_rng_state(self._state)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyModels]:
    import torch

    root = tmp_path_factory.mktemp("tiny_models")
    threads = torch.get_num_threads()
    # Work of some microseconds: handing it to a second thread costs milliseconds wherever cores are shared.
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        # inlay remembers digests of weight files in the user's cache folder; those of tests stay out of it.
        patched.setattr("inlay.models.fingerprint.cache_folder", lambda *parts: root.joinpath(*parts))
        # inlay gives each core a batch of its own; it sees two cores here, on whatever machine.
        patched.setattr(torch, "get_num_threads", lambda: 2)
        yield TinyModels(root)
    torch.set_num_threads(threads)
