"""What the API server knows of kinds: pure functions on plain dictionaries.

The order in which a server calls them, for create (c), update (u) and status (s):

1. `decode(kind, obj)`: type errors raise `DecodeError` (400 BadRequest); unknown fields
   are dropped and named (Strict: 400 `strict decoding error: ` + ", ".join(names);
   Warn: one warning each)
2. c: the server's own metadata (uid, creationTimestamp, namespace, generateName, ...)
   u, s: the server keeps the old status, or all of the old object but the status
3. `default(kind, obj)`
4. c: `prepare_create(kind, obj)`: first status, a Job's selector (needs metadata.uid)
   u: `prepare_update(kind, old, new)`: what a PUT may leave out (uid, clusterIP, ...)
5. c: `check(kind, obj)`; u: `check_update(kind, old, new)`, which does `check` too;
   s: `check_status_update(kind, old, new)`; a `FieldError` or more: 422 Invalid

`kind` is a `Gvk` of a built-in kind or a `CustomKind`.
"""

from .checks import check, check_status_update, check_update
from .custom import CustomKind, custom_kinds
from .decode import decode
from .defaults import default, prepare_create, prepare_update
from .errors import DecodeError, FieldError, PatchError, Reason
from .kinds import BUILTINS, Builtin, Gvk, builtin
from .openapi import openapi_v2, openapi_v3_document, openapi_v3_index
from .patch import apply_patch
from .tables import table

__all__ = [
    "BUILTINS",
    "Builtin",
    "CustomKind",
    "DecodeError",
    "FieldError",
    "Gvk",
    "PatchError",
    "Reason",
    "apply_patch",
    "builtin",
    "check",
    "check_status_update",
    "check_update",
    "custom_kinds",
    "decode",
    "default",
    "openapi_v2",
    "openapi_v3_document",
    "openapi_v3_index",
    "prepare_create",
    "prepare_update",
    "table",
]
