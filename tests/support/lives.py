"""How many lives are generated where a test generates whole ones."""

from typing import Final

from hypothesis import settings

_profile = settings.default
assert _profile is not None
# Of the examples that a profile asks for: a life is some forty plans and their writes.
LIVES: Final = _profile.max_examples * 3 // 5
