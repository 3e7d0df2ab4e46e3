"""No search for garbage while much is imported."""

import gc

import pytest

from penstock.engine import garbage
from penstock.engine.garbage import importing


@pytest.fixture
def thawed():
    """What a test freezes is looked through again after it."""
    yield
    gc.unfreeze()


def test_is_off_inside_and_on_afterwards(thawed):
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_is_on_again_after_an_import_that_failed(thawed):
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_the_program_may_have_turned_it_off():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_imported_is_not_looked_through_again(monkeypatch, thawed):
    monkeypatch.setattr(garbage, "_FEW_OBJECTS", float("inf"))
    with importing():
        made = [[]]
    assert all(each is not made for each in gc.get_objects())


def test_the_objects_of_a_program_that_made_much_before_are(monkeypatch):
    monkeypatch.setattr(garbage, "_FEW_OBJECTS", 0)
    before = gc.get_freeze_count()
    with importing():
        made = [[]]
    assert any(each is made for each in gc.get_objects())
    assert gc.get_freeze_count() <= before
