"""docs/settings.md and docs/inlay.schema.json, written from the declarations."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from inlay.settings.check import Declaration, Entry, Table
from inlay.settings.declare import entry_of
from inlay.settings.read import BUILT_IN_MODELS, variable
from inlay.settings.schema import DOCUMENT, ModelSettings, Settings

_HEAD = """\
# Settings

Written from `adapter/inlay/settings/schema.py` by `make docs`; edit there. [Models and settings](models.md) says which
place wins.

A key is set in `inlay.toml`, as an environment variable, as a keyword of `inlay.connect()` and `inlay.attach()`, or in
the dbt plugin's `config`. A wrong key or value is an error that names the place. `inlay settings` prints every value
and the place that it comes from.

**Environment.** True and false are written `true` and `false`, or `1` and `0`. Several folders have `:` between them,
on Windows `;`. `INLAY_MODELS` and `INLAY_FUNCTIONS` hold an inline table of TOML, which is merged with `inlay.toml` key
by key, so that one key of a model can be set:

```sh
export INLAY_MODELS='{minilm = {device = "cpu", max_tokens = 128}}'
export INLAY_FUNCTIONS='{ai_filter = {threshold = 0.3}}'
```

An empty variable counts as not set. `INLAY_CONFIG` names the settings file.

## In an editor

A JSON Schema of `inlay.toml` tells an editor which keys there are, what each means and what it may be:

```sh
inlay settings --schema > inlay.schema.json    # beside inlay.toml; again after an upgrade
```

The first line of the file names it:

```toml
#:schema ./inlay.schema.json
model = "minilm"
```

In VS Code the extension *Even Better TOML* (`tamasfe.even-better-toml`) reads that line: it completes keys, shows their
description and underlines `memory_mb = -5` or a key that does not exist. On the command line `taplo check inlay.toml`
(`pip install taplo`) says the same. `inlay settings` checks the file without either.
"""


def reference_page(functions: Entry) -> str:
    """The page as Markdown. functions: the options of every function."""
    session = [
        _row(f"`{key}`", declared.kind.words, _default(declared), f"`{variable(key)}`", declared.text)
        for key, declared in DOCUMENT.keys.items()
    ]
    model = [
        _row(f"`{key}`", declared.kind.words, _default(declared), declared.text)
        for key, declared in entry_of(ModelSettings).keys.items()
    ]
    takers: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, function in functions.keys.items():
        assert isinstance(function.kind, Entry)
        for key, declared in function.kind.keys.items():
            takers[key, declared.kind.words, declared.text].append(f"`{name}`")
    options = [
        _row(f"`{key}`", words, text, "all" if len(names) == len(functions.keys) else ", ".join(names))
        for (key, words, text), names in sorted(takers.items())
    ]
    lines = [
        _HEAD,
        "## Session",
        "",
        "| key | value | default | environment variable | |",
        "|---|---|---|---|---|",
        *session,
        "",
        "## A model: `[models.NAME]`",
        "",
        "A default in words is what holds where the key is left out.",
        "",
        "| key | value | default | |",
        "|---|---|---|---|",
        *model,
        "",
        "## A function: `[functions.NAME]`",
        "",
        "An option of the function, for calls that do not give it ([functions](functions.md)).",
        "",
        "| option | value | | functions |",
        "|---|---|---|---|",
        *options,
        "",
    ]
    return "\n".join(lines)


def json_schema(functions: Entry) -> dict[str, Any]:
    """The JSON Schema of inlay.toml. A file that names functions_folders may have functions that are not known here."""
    document = DOCUMENT.json_schema()
    models = DOCUMENT.keys["models"].kind
    assert isinstance(models, Table)
    a_model = {"$ref": "#/definitions/model"}
    document["properties"]["models"] |= {
        "properties": dict.fromkeys(BUILT_IN_MODELS, a_model),
        "additionalProperties": {"allOf": [a_model, {"required": ["source"]}]},
    }
    document["properties"]["functions"] |= {"properties": functions.json_schema()["properties"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the newest draft that taplo reads
        "title": "inlay.toml",
        **document,
        "if": {"not": {"required": ["functions_folders"]}},
        "then": {"properties": {"functions": {"propertyNames": {"enum": list(functions.keys)}}}},
        "definitions": {"model": models.item.json_schema()},
    }


def settings_in_force(settings: Settings) -> list[list[str]]:
    """(key, value, place) of every key; of models and functions, each name's own row."""
    rows = []
    for key in DOCUMENT.keys:
        value = getattr(settings, key)
        if key in ("models", "functions"):
            for name, entry in value.items():
                shown = entry.source if isinstance(entry, ModelSettings) else entry
                rows.append([f"{key}.{name}", str(shown), settings.places.get(f"{key}.{name}", f"named by {key}")])
        else:
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            rows.append([key, ", ".join(map(_written, values)), settings.places.get(key, "default")])
    return rows


def _default(declared: Declaration) -> str:
    if declared.unset:
        return declared.unset
    if declared.default in (None, ()):
        return "none"
    return f"`{_written(declared.default)}`" if declared.default != "" else "empty"


def _written(value: object) -> str:
    """As inlay.toml has it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
