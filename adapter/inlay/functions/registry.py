"""What binds a function's calls: the Python function that its header in udfs/ names, as in answer = "classify.bind".

The module is imported with the function's first call: a process that asks for vectors has no use for telephone numbers.
"""

from __future__ import annotations

import importlib

from inlay.errors import ConfigError
from inlay.functions.contract import Bind
from inlay.functions.spec import FunctionSpec


def bind_of(spec: FunctionSpec) -> Bind:
    """Raises ConfigError where the header names nothing, or nothing that there is."""
    module, _, name = (spec.answer or "").rpartition(".")
    where = f"inlay.functions.{module}"
    try:
        bind: Bind = getattr(importlib.import_module(where), name)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != where:
            raise  # the module is there; what it imports is not
        raise ConfigError(
            f"{spec.path}: answer is {spec.answer!r}; it must name a function of a module in inlay/functions, such as "
            "'classify.bind'."
        ) from error
    return bind
