"""The root conftest: the plugin's own tests drive real pytest runs."""

from contextlib import suppress

pytest_plugins = ["pytester"]

with suppress(ImportError):  # a user of the suites here needs no test dependencies
    from hypothesis import settings

    # A busy machine is slow; how long an example takes is nothing that tests assert.
    settings.register_profile("llmbench", deadline=None)
    settings.load_profile("llmbench")
