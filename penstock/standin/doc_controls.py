"""What libraries import from `tensorflow.tools.docs.doc_controls`: marks that only a generator of documentation reads."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def _unmarked(thing: T) -> T:
    """The thing as it is; there is no documentation to leave it out of."""
    return thing


do_not_generate_docs = do_not_doc_inheritable = for_subclass_implementers = _unmarked
do_not_doc_in_subclasses = doc_in_current_and_subclasses = doc_private = _unmarked
hide_from_search = inheritable_header = _unmarked


def set_deprecated(thing: Any) -> Any:
    """Marks a thing as old."""
    thing._tf_docs_deprecated = None
    return thing
