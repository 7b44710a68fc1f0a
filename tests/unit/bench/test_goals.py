import pytest
from bench.goals import added, at_most, slowdown, speed_beside
from bench.measure import Findings, Result
from bench.report import describe


def findings(**medians):
    found = Findings()
    found.add(
        Result(name, ({"cpu_us": value - 1}, {"cpu_us": value}, {"cpu_us": value + 9}))
        for name, value in medians.items()
    )
    return found


@pytest.mark.parametrize(("peer", "met"), [(30.0, True), (39.9, False), (300.0, True)])
def test_a_ratio_to_a_peer_is_of_median_processor_times(peer, met):
    judged = speed_beside("ours", "peer", least={30.0: 0.3, 39.9: 0.4, 300.0: 3.0}[peer]).judge(
        findings(ours=100.0, peer=peer)
    )
    assert (judged["reached"], judged["met"]) == (pytest.approx(peer / 100), met)


def test_a_slowdown_is_the_part_that_is_added():
    judged = slowdown("many", "few", most=0.05).judge(findings(many=104.0, few=100.0))
    assert (judged["reached"], judged["met"]) == (0.04, True)
    assert slowdown("many", "few", most=0.05).judge(findings(many=106.0, few=100.0))["met"] is False


def test_a_difference_and_a_bound():
    assert added("µs", "cpu_us", "a", "b", most=1).judge(findings(a=5.0, b=4.0))["met"] is True
    assert added("µs", "cpu_us", "a", "b", most=1).judge(findings(a=5.1, b=4.0))["met"] is False
    assert at_most("µs", "cpu_us", "a", 5).judge(findings(a=5.0))["met"] is True


def test_what_was_not_measured_is_neither_met_nor_missed():
    judged = speed_beside("ours", "peer", least=1).judge(findings(ours=1.0))
    assert (judged["reached"], judged["met"]) == (None, None)
    assert describe(judged).startswith("– not measured: × as fast as peer: ours (at least 1)")


def test_a_goal_says_whether_it_was_met_and_what_it_is():
    goal = speed_beside("ours", "peer", least=0.4, aim=0.6)
    assert describe(goal.judge(findings(ours=100.0, peer=50.0))) == (
        "✓ met: 0.5 × as fast as peer: ours (at least 0.4 and aimed at 0.6)"
    )
    assert describe(goal.judge(findings(ours=100.0, peer=20.0))).startswith("✗ missed: 0.2 ×")
    assert describe(speed_beside("ours", "peer", None).judge(findings(ours=2.0, peer=1.0))).startswith(
        "  stated: 0.5"
    )
