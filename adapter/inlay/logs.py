"""What the package says besides results goes through `logging`, to loggers named inlay.<room>.

Importing configures nothing. Where nobody has configured logging, Python writes warnings to standard error, each once;
`show_info` does the same for lesser messages.
"""

from __future__ import annotations

import logging
import sys


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
