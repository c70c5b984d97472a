"""Every error that inlay raises.

InlayError
├── ConfigError               a setting, option or argument is wrong: nothing ran
│   ├── UnknownModelError     no model of that name is registered
│   └── NameTakenError        another extension already owns a function's name
├── ModelError                a model cannot be found, trusted or used
│   ├── ModelNotFoundError    its files are not where they were looked for
│   ├── DigestError           its weights are not the recorded ones
│   ├── MissingExtraError     a Python package that it needs is not installed
│   ├── CannotServeError      the model exists, but cannot honestly answer this function
│   ├── ModelTooLargeError    it takes more memory than loaded_memory_mb allows
│   └── EndpointError         a server refuses the key or does not know the model: no row is to blame
├── BudgetExceededError       a limit of the configuration would be passed: the model was not called
├── RowsFailedError           on_error := 'raise' and at least one row failed
├── NotAttachedError          the connection was detached or its session has ended
├── ForkedProcessError        what the parent of a forked process had opened cannot be used by the child
└── InterruptedQueryError     Ctrl-C or a cancelled statement; finished work is kept

DuckDB turns an exception inside a function into text, so each message stands alone:
what happened with the values, why, and what to type next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InlayError(Exception):
    """Base of every error of this package."""


class ConfigError(InlayError, ValueError):
    """A setting, an option or an argument is wrong; no model was called."""

    @classmethod
    def unknown_option(cls, where: str, name: str, known: Iterable[str], noun: str = "option") -> ConfigError:
        known = sorted(known)
        return cls(f"{where}: no {noun} named {name!r}.{closest(name, known)} Known: {', '.join(known)}.")


class UnknownModelError(ConfigError):
    @classmethod
    def named(cls, name: str, known: Iterable[str]) -> UnknownModelError:
        known = sorted(known)
        return cls(
            f"no model named {name!r}. Known: {', '.join(known)}.{closest(name, known)} "
            f"Register it in inlay.toml: [models.{_toml_key(name)}] source = 'a folder or hub:owner/name'."
        )


class NameTakenError(ConfigError):
    @classmethod
    def functions(cls, names: Iterable[str]) -> NameTakenError:
        names = sorted(names)
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        return cls(
            f"this database already has functions named {shown}, probably from the DuckDB extension 'ai'. "
            "Attach under other names: inlay.attach(con, prefix='inlay_') gives inlay_ai_classify and so on."
        )


class ModelError(InlayError):
    """A model cannot be found, trusted or used."""


class ModelNotFoundError(ModelError):
    pass


class DigestError(ModelError):
    pass


class MissingExtraError(ModelError, ImportError):
    @classmethod
    def package(cls, package: str, extra: str, why: str) -> MissingExtraError:
        return cls(f"{why} needs the package {package!r}, which is not installed. Type: pip install 'inlay[{extra}]'")


class CannotServeError(ModelError):
    pass


class ModelTooLargeError(ModelError):
    @classmethod
    def beyond(cls, model: str, n_bytes: int, most_bytes: int) -> ModelTooLargeError:
        return cls(
            f"model {model!r}: its weights take {megabytes(n_bytes):,} MB once they are loaded, and loaded_memory_mb "
            f"is {megabytes(most_bytes):,}. It was not loaded. Set loaded_memory_mb = {megabytes(n_bytes)} or more, a "
            "smaller dtype, or a smaller model."
        )


class EndpointError(ModelError):
    pass


class BudgetExceededError(InlayError):
    @classmethod
    def passed(cls, name: str, limit: float, used: float, asked: float) -> BudgetExceededError:
        more = f" and the next texts need {asked:,.6g}" if asked else ""
        return cls(
            f"{name} is {limit:,.6g}: this session has used {used:,.6g}{more}. The model was not called; what was "
            f"finished before is kept. Raise {name} in inlay.toml or in the call of attach(), or ask for less."
        )

    @classmethod
    def planned(cls, name: str, limit: float, planned: float) -> BudgetExceededError:
        return cls(
            f"{name} is {limit:,.6g}, and the plan needs {planned:,.6g}. No model was called. Raise {name} in "
            "inlay.toml, or ask for less: `inlay plan` shows which model needs what."
        )


class RowsFailedError(InlayError):
    @classmethod
    def listed(cls, function: str, failures: list[tuple[str, str]]) -> RowsFailedError:
        """failures: (input, reason) of each failed distinct input; five are shown."""
        shown = "; ".join(f"{text!r}: {reason}" for text, reason in failures[:5])
        more = f" (and {len(failures) - 5:,} more)" if len(failures) > 5 else ""
        return cls(
            f"{function}: {len(failures):,} distinct input{'s' if len(failures) > 1 else ''} failed: {shown}{more}. "
            "Leave on_error out to get NULL for these rows and list them with: from inlay_errors()"
        )


class NotAttachedError(InlayError):
    pass


class ForkedProcessError(InlayError):
    """A process that was forked cannot use what its parent had opened."""

    @classmethod
    def cuda(cls, model: str) -> ForkedProcessError:
        return cls(
            f"model {model!r} cannot run in this process: it was forked from one that had used CUDA, which does not "
            "outlive a fork. Start it with multiprocessing.get_context('spawn'), or set device = 'cpu'."
        )

    @classmethod
    def connection(cls) -> ForkedProcessError:
        return cls(
            "this connection was opened by the process that this one was forked from, and DuckDB's threads are not in "
            "this one. Open a new one here with inlay.connect(), or start the process with "
            "multiprocessing.get_context('spawn')."
        )


class InterruptedQueryError(InlayError):
    pass


def megabytes(n_bytes: int) -> int:
    """Rounded up."""
    return -(-n_bytes // 1_000_000)


def closest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _toml_key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
