"""How `andon report diff` lays out what differs between two versions."""

from orchestration.cli.report_versions import VersionStep, describe_step


def test_each_difference_has_a_line_under_its_group() -> None:
    """So that no terminal line holds them all; versions that do not differ have one line."""
    groups = {"settings": ["gate.max_drop 5% → 50%"], "figures": ["a: 1 → 2", "b: 3 → 4"]}
    step = VersionStep(before="aa", after="bb", moved=["…"], groups=groups)
    assert list(describe_step(step)) == [
        "aa → bb:",
        "  settings",
        "    gate.max_drop 5% → 50%",
        "  figures",
        "    a: 1 → 2",
        "    b: 3 → 4",
    ]
    same = VersionStep(before="aa", after="bb", moved=[], groups={})
    assert list(describe_step(same)) == ["aa → bb: nothing"]
