"""Containers whose keys are the objects themselves."""

import gc

import penstock as tf
from penstock.standin import object_identity


def test_equal_tensors_are_different_keys():
    a, b = tf.constant(1), tf.constant(1)
    found = object_identity.ObjectIdentityDictionary([(a, "a"), (b, "b")])
    assert found[a] == "a" and found[b] == "b" and len(found) == 2
    del found[a]
    assert a not in found and list(found.values()) == ["b"]


def test_sets_keep_their_order():
    a, b, c = (tf.constant(1) for _ in range(3))
    found = object_identity.ObjectIdentitySet([a, b])
    found.update([b, c])
    assert [each is other for each, other in zip(found, (a, b, c))] == [True] * 3
    assert len(found.difference([b])) == 2 and len(found.intersection([c])) == 1


def test_weak_sets_lose_what_nobody_holds():
    class Thing:
        pass

    kept, gone = Thing(), Thing()
    found = object_identity.ObjectIdentityWeakSet([kept, gone])
    del gone
    gc.collect()
    assert list(found) == [kept] and len(found) == 1
