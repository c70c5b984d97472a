"""The name by which users' profiles know the dbt plugin: inlay/dbt/plugin.py."""

from inlay.dbt.plugin import Plugin as Plugin
