"""Settings of the tests that draw whole syncs, each of which takes a second."""

from hypothesis import HealthCheck, Phase, settings

SYNCS = settings(
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a failing example is short enough as it is, and shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
