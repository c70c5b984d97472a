"""Token vectors to one vector per text, in float32, as sentence-transformers does it.

Works on tokens laid end to end, so that padded and padding-free runs pool in the same way. The definitions follow
sentence-transformers 6.2 (sentence_transformer/modules/pooling.py); the tests compare each mode with it.
"""

from __future__ import annotations

import torch


def pool(tokens: torch.Tensor, lengths: torch.Tensor, modes: tuple[str, ...], prompt_tokens: int = 0) -> torch.Tensor:
    """tokens: [total, hidden], any float type. lengths: [n] tokens of each text.

    Returns float32 [n, hidden * len(modes)]. prompt_tokens leading tokens of each text are left out of pooling.
    """
    tokens = tokens.float()
    ends = torch.cumsum(lengths, 0)
    starts = ends - lengths
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=tokens.device), lengths)
    position = torch.arange(len(tokens), device=tokens.device) - starts[owner]
    kept, kept_owner, kept_position, counted = tokens, owner, position, lengths
    if prompt_tokens:
        inside = position >= prompt_tokens
        kept, kept_owner, kept_position = tokens[inside], owner[inside], position[inside]
        counted = lengths - prompt_tokens
    pooled = []
    for mode in modes:
        if mode == "cls":
            first = starts + torch.where(lengths > prompt_tokens, prompt_tokens, 0)
            pooled.append(tokens[first])
        elif mode == "lasttoken":
            pooled.append(tokens[ends - 1])
        elif mode == "max":
            blank = torch.full((len(lengths), tokens.shape[1]), float("-inf"), device=tokens.device)
            pooled.append(blank.scatter_reduce(0, kept_owner[:, None].expand_as(kept), kept, reduce="amax"))
        else:
            weights = (kept_position + 1).float() if mode == "weightedmean" else None
            values = kept if weights is None else kept * weights[:, None]
            total = torch.zeros(len(lengths), tokens.shape[1], device=tokens.device).index_add_(0, kept_owner, values)
            if weights is not None:
                divisor = torch.zeros(len(lengths), device=tokens.device).index_add_(0, kept_owner, weights)
            else:
                divisor = counted.float()
                if mode == "mean_sqrt_len_tokens":
                    divisor = divisor.sqrt()
            pooled.append(total / divisor.clamp(min=1e-9)[:, None])
    return torch.cat(pooled, dim=1)
