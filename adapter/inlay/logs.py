"""What the package says besides results goes through `logging`, to loggers named inlay.<room>.

Importing configures nothing. Where nobody has configured logging, Python writes warnings to standard error, each once;
`show_info` does the same for lesser messages.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings


class _StandardError(logging.Handler):
    """Writes to standard error, whichever it is by then, unless somebody else's handler gets the record too."""

    def emit(self, record: logging.LogRecord) -> None:
        if len(logging.getLogger("inlay").handlers) == 1 and not logging.getLogger().handlers and sys.stderr:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


def show_info(name: str = "inlay") -> None:
    """From now on the messages of this logger are seen from the level INFO on, whether logging is configured or not."""
    package = logging.getLogger("inlay")
    if not any(isinstance(handler, _StandardError) for handler in package.handlers):
        package.addHandler(_StandardError())
    logging.getLogger(name).setLevel(logging.INFO)


def expect_no_widgets() -> None:
    """To be called before the hub's library or transformers are imported. In a notebook without ipywidgets tqdm, which
    they import, would warn that it draws no widgets: nothing here needs them."""
    if "ipykernel" in sys.modules and "tqdm.auto" not in sys.modules:
        with contextlib.suppress(ImportError), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "IProgress not found")
            import tqdm.auto  # noqa: F401


class _Without(logging.Filter):
    """Drops what says this."""

    def filter(self, record: logging.LogRecord) -> bool:
        return self.name not in record.getMessage()


def expect_torchao() -> None:
    """To be called before transformers loads a model, which imports torchao where it is installed. That says which of
    its kernels for other devices it cannot load, and how torch will be called one day."""
    for name, said in (("torchao", "Failed to load"), ("torch.utils._pytree", "is an Enum subclass")):
        logger = logging.getLogger(name)
        if not logger.filters:
            logger.addFilter(_Without(said))
