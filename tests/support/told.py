"""What tests have seen and nothing asserts, such as times: printed at the end."""

from typing import Final

import pytest

TOLD: Final = "told"  # the property under which a test keeps it


def show(reporter: pytest.TerminalReporter) -> None:
    """Print what the tests that passed have kept."""
    told = [
        str(text)
        for one in reporter.getreports("passed")
        for name, text in one.user_properties
        if name == TOLD
    ]
    if told:
        reporter.section("seen by the tests")
        reporter.write("\n\n".join(told) + "\n")
