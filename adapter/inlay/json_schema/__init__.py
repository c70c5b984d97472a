"""The schema of an answer: read in any of four forms, and returned as JSON Schema and as a DuckDB type.

    {'name': 'Who wrote it?', 'city': 'Where from?'}            # questions: every answer a VARCHAR, or NULL
    ['name', 'city']                                            # the same, without questions
    STRUCT(name VARCHAR, age INT, tags VARCHAR[])               # a DuckDB type, with or without STRUCT( ) around it
    {"type": "object", "properties": {"age": {…}}, …}           # JSON Schema, as text or as a mapping

Everything becomes JSON Schema first (given.py, sql_types.py) and is then read once (reading.py): checked, normalised,
and given its DuckDB type. replies.py checks a reply against it.
"""

from inlay.json_schema.formats import FORMATS
from inlay.json_schema.given import read_schema
from inlay.json_schema.reading import ReplySchema
from inlay.json_schema.repairs import repaired
from inlay.json_schema.replies import is_json, validated
from inlay.json_schema.stored import is_stored_reply

__all__ = ["FORMATS", "ReplySchema", "is_json", "is_stored_reply", "read_schema", "repaired", "validated"]
