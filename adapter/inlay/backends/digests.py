"""The weights that are read are those that were described."""

from __future__ import annotations

import hashlib

from inlay.errors import DigestError
from inlay.models.ref import ModelRef


def check_digests(ref: ModelRef) -> None:
    """Raises DigestError where a weight file is another than the one recorded in ref.weights."""
    for name, recorded in ref.weights:
        with (ref.folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != recorded:
            raise DigestError(
                f"model {ref.name!r}: {ref.folder / name} has SHA-256 {found}, but {recorded} was recorded when it "
                "was described. The file changed or is damaged; fetch it again."
            )
