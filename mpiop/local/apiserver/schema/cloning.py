"""Copies of JSON values, by way of their text: several times faster than `deepcopy`."""

from typing import Any

import orjson


def clone(value: object) -> Any:  # noqa: ANN401
    """Give a copy that shares nothing with the value.

    Raises:
        TypeError: it is no JSON value.
    """
    return orjson.loads(orjson.dumps(value))
