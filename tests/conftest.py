"""Hypothesis profiles; choose another with --hypothesis-profile."""

from hypothesis import settings

from tests.support.requirements import in_ci

# No deadlines: how long one example takes says more about the machine than about the code.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=False, max_examples=200)
settings.load_profile("ci" if in_ci() else "dev")
