"""Laws that every replay keeps, whatever the family, the device, the guard and the loads are."""

from edgeproof.adaptation.trace_replay import render_step, replay_trace

from .families_for_tests import make_random_world


def check_laws(seed):
    """Replay one random world twice; return the number of commits. AssertionError for a law that is broken."""
    chooser, moments, conditions, cap, window = make_random_world(seed)
    steps = list(replay_trace(chooser, moments, conditions))
    again, *_ = make_random_world(seed)
    lines = [render_step(step, "fixed") for step in steps]
    assert lines == [render_step(step, "fixed") for step in replay_trace(again, moments, conditions)]
    assert len(steps) == len(moments)
    assert all(step.active in chooser.family.variants for step in steps)  # there is always a backend
    _check_cap(steps, cap, window)
    for step in steps:
        _check_freedom(step)
    return sum(len(step.commits) for step in steps)


def _check_cap(steps, cap, window):
    """No window holds more voluntary commits than the cap."""
    voluntary = [time for step in steps for time, rule in step.commits if rule == "swap"]
    for end in voluntary:
        assert sum(end - window <= time <= end for time in voluntary) <= cap


def _check_freedom(step):
    """A variant that does not fit is left at once where something that fits can be loaded: of all rules only a running
    load stands in the way.
    """
    verdicts = {verdict.name: verdict for verdict in step.choice.verdicts}
    others = [item for item in step.choice.verdicts if item.feasible and item.loadable and item.name != step.before]
    assert verdicts[step.before].feasible or not others or step.choice.rule in ("forced", "in_flight"), step
