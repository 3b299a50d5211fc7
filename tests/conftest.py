"""Profiles of the property tests: the same examples in every run, unless exploring is asked for.

``pytest --hypothesis-profile=explorar`` draws new examples, and more of them.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fijo", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explorar", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("fijo")
