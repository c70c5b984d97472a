"""A dbt-duckdb plugin: inlay's functions in every model, test, hook and Python model of a dbt run.

    # profiles.yml
    plugins:
      - module: inlay.dbt_plugin
        config: {model: minilm, on_error: raise}     # any option of inlay.attach(); all have defaults

dbt-duckdb opens one connection and gives each thread, and each node, a cursor of it. The functions belong to the
database, so they are registered once; macros with named options belong to a cursor, so every cursor gets them.
"""

from __future__ import annotations

import sys
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.events.contextvars import get_node_info
from dbt_common.invocation import get_invocation_id
from duckdb import DuckDBPyConnection

from inlay.config import read_settings
from inlay.duckdb_udf import attach, create_macros, set_node
from inlay.engine import cancel
from inlay.session import Session


class Plugin(BasePlugin):
    """What `module: inlay.dbt_plugin` names; dbt-duckdb makes one for each profile."""

    options: dict[str, Any]
    session: Session | None = None

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Checks the options before anything runs; raises ConfigError naming the key and what is allowed."""
        self.options = self._own(plugin_config)
        settings = read_settings(self._given(), config=self.options.get("config"))
        # A dbt run is long and mostly watched through a log: where no bar can be drawn, lines tell that it lives.
        if settings.progress == "auto" and not (sys.stderr is not None and sys.stderr.isatty()):
            self.options["progress"] = "lines"

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """On the parent connection, which dbt may close and open again; attaching twice is attaching once."""
        self.session = attach(conn, **self.options)
        if self.session.account is not None:
            self.session.account.invocation = get_invocation_id()

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        # The functions run in dbt's worker threads, which no signal reaches. One cursor is made in the main thread
        # before they start: there, and nowhere else, Ctrl-C can be listened for.
        cancel.install()
        if self.session is not None:
            create_macros(cursor, self.session)
            set_node(cursor, get_node_info().get("unique_id"))

    def _own(self, plugin_config: dict[str, Any]) -> dict[str, Any]:
        """The config without the DuckDB `settings:` of the profile, which dbt-duckdb mixes into every plugin's."""
        for entry in (self.creds.plugins if self.creds else None) or []:
            if (entry.alias or entry.module.split(".")[-1]) == self.name:
                return dict(entry.config or {})
        return dict(plugin_config)

    def _given(self) -> dict[str, Any]:
        return {key: value for key, value in self.options.items() if key != "config"}
