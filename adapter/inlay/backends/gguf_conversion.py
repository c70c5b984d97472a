"""Makes a model's folder of a GGUF file: `python -m inlay.backends.gguf_conversion FILE FOLDER`.

transformers reads the file, dequantises it and writes safetensors. Quantised weights become bfloat16, which holds more
than they do; weights that are not quantised keep their precision. models/gguf.py runs this as a process of its own.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from inlay.models.gguf import MISSING_PACKAGE


def main(file: Path, folder: Path) -> int:
    try:
        import gguf
        import torch
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        sys.stderr.write(f"{error.name}\n")
        return MISSING_PACKAGE
    if file.parent != folder.parent:
        return _alone(file, folder)
    kept = {"F32": torch.float32, "F16": torch.float16}
    # transformers 4 has no other way than to dequantise, and no word for it.
    dequantised = (
        {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    )
    largest = max(gguf.GGUFReader(file).tensors, key=lambda tensor: int(tensor.n_elements))
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(file.parent),
        gguf_file=file.name,
        **dequantised,
        dtype=kept.get(largest.tensor_type.name, torch.bfloat16),
        local_files_only=True,
        trust_remote_code=False,
    )
    # Else the folder would say that its weights are quantised.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    del model
    AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, local_files_only=True).save_pretrained(folder)
    return 0


def _alone(file: Path, folder: Path) -> int:
    """The same with the file in a folder of its own: transformers reads what else is beside it."""
    link = folder.parent / "weights.gguf"
    try:
        link.symlink_to(file.resolve())
    except OSError:  # a Windows that allows no links
        shutil.copyfile(file, link)
    return main(link, folder)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
