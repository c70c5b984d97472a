"""Addresses of an endpoint's host: a name may lead to a link-local one, where clouds keep the machine's credentials."""

from __future__ import annotations

import socket

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from inlay.errors import EndpointError
from inlay.models.endpoint import is_link_local_number


class NoLinkLocal(ThreadedResolver):
    """Refuses a name by raising EndpointError. where: the endpoint, for the error."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for each in found:
            if is_link_local_number(each["host"]):
                raise EndpointError(
                    f"{self._where}: the name leads to {each['host']}, a link-local address, where clouds keep the "
                    "credentials of the machine. If a model is really there, set link_local = true."
                )
        return found
