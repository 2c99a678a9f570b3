"""The kubelet's client of the API server, over a unix socket."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from mpiop.local.kubelet.objects import Json

_STRATEGIC: Final = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server refused, or did not answer (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message or f"status {status}")
        self.status = status


class Api:
    """Requests on JSON objects. Use with `async with`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(path=str(self._socket), limit=0)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Read an object or a list.

        Raises:
            ApiError: refused or unreachable.
        """
        return await self._ask("GET", path, query=query)

    async def create(self, path: str, body: Json) -> Json:
        """Create an object.

        Raises:
            ApiError: refused or unreachable.
        """
        return await self._ask("POST", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Change an object by a strategic merge patch, as the real kubelet does.

        Raises:
            ApiError: refused or unreachable.
        """
        return await self._ask("PATCH", path, body=body, content_type=_STRATEGIC)

    async def delete(self, path: str, body: Json) -> Json:
        """Delete an object, with options.

        Raises:
            ApiError: refused or unreachable.
        """
        return await self._ask("DELETE", path, body=body)

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield watch events until the server ends the watch.

        Raises:
            ApiError: refused or unreachable.
        """
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=None)
        params = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        buffer = b""
        try:
            async with self._session.get(
                f"http://api{path}", params=params, timeout=timeout
            ) as answer:
                if answer.status >= 400:  # noqa: PLR2004
                    raise _error(answer.status, await answer.read())
                async for chunk in answer.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(0, str(error)) from error

    async def _ask(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        assert self._session is not None
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": content_type}
        timeout = aiohttp.ClientTimeout(total=30)
        try:
            async with self._session.request(
                verb,
                f"http://api{path}",
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
            ) as answer:
                text = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, str(error)) from error
        if answer.status >= 400:  # noqa: PLR2004
            raise _error(answer.status, text)
        result: Any = json.loads(text)
        assert isinstance(result, dict)
        return result


def _error(status: int, body: bytes) -> ApiError:
    try:
        message = json.loads(body).get("message", "")
    except (ValueError, AttributeError):
        message = body[:200].decode(errors="replace")
    return ApiError(status, str(message))
