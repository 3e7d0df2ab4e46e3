"""Calls of the data service's actors: what goes wrong with them as TensorFlow's errors."""

from __future__ import annotations

from typing import Any

from penstock.cluster import ray_session
from penstock.types import errors

_SECONDS = 60.0  # that an answer may take: dispatchers only look things up


def answer(reference: Any, what: str, seconds: float = _SECONDS) -> Any:
    """What a call of an actor gives.

    Args:
      reference: of the call. what: it was for, in words for a message.

    Raises:
      UnavailableError: the actor is gone. DeadlineExceededError: it does not answer. CancelledError: the program ends.
      OpError: what the call itself raised.
    """
    ray = ray_session.ray()
    try:
        return ray_session.get(reference, seconds)
    except ray.exceptions.GetTimeoutError:
        raise errors.DeadlineExceededError(
            None, None, f"tf.data service: no answer for {seconds:g} s, wanted: {what}"
        ) from None
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        if not ray_session.is_lost(error):
            raise
        raise errors.UnavailableError(
            None, None, f"tf.data service: the process that was asked for {what} is gone ({type(error).__name__})"
        ) from None  # fmt: skip
