"""Identities that meet, may meet, and do not."""

from __future__ import annotations

from kinema.protocols.leaks import Meeting, archive, find_leak

TESTS = {"basketball": "cmu/06_07", "jumping": "?cmu/test/jumping_1"}


def test_an_archive_is_what_stands_before_the_first_slash() -> None:
    assert archive("cmu/06_07") == archive("?cmu/test/jumping_1") == archive("CMU/1") == "cmu"


def test_the_same_identity_is_a_sure_meeting() -> None:
    leak = find_leak({"cmu/06_07", "bandai2/x"}, TESTS)
    assert leak.sure == (Meeting("basketball", "cmu/06_07", ("cmu/06_07",)),)
    assert find_leak({"?cmu/test/jumping_1"}, TESTS).sure[0].action == "jumping"


def test_an_unidentified_test_may_be_any_recording_of_its_archive() -> None:
    leak = find_leak({"cmu/13_13", "cmu/13_40", "hdm05/a"}, TESTS)
    assert leak.sure == ()
    assert leak.possible == (Meeting("jumping", "?cmu/test/jumping_1", ("cmu/13_13", "cmu/13_40")),)


def test_an_unidentified_training_recording_may_be_any_test() -> None:
    leak = find_leak({"?cmu/bvh/indian_04"}, TESTS)
    assert [meeting.action for meeting in leak.possible] == ["basketball", "jumping"]


def test_files_of_one_release_are_known_apart_unless_they_are_the_same() -> None:
    train = {"cmu/13_11", "?cmu/train/running_2"}
    assert find_leak(train, TESTS, apart=train) == find_leak((), TESTS)
    assert find_leak({"cmu/06_07"}, TESTS, apart={"cmu/06_07"}).sure


def test_other_archives_do_not_meet() -> None:
    leak = find_leak({"bandai2/06_07", "?hdm05/x"}, TESTS)
    assert leak.sure == leak.possible == ()
