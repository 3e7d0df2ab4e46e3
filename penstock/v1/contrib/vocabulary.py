"""`contrib.learn.preprocessing`: texts as rows of the numbers of their words, or of their bytes."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.io.filesystem import open_to_read, replacing
from penstock.types.errors import DataLossError

# Words, and what is between: abbreviations in capitals, words of camel case, and all others with ' and - in them.
_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE)


def _names(name: str) -> list[str]:
    return [
        f"contrib.learn.{path}.{name}"
        for path in (
            "preprocessing",
            "preprocessing.text",
            "preprocessing.categorical_vocabulary",
            "python.learn.preprocessing",
            "python.learn.preprocessing.text",
            "python.learn.preprocessing.categorical_vocabulary",
        )
    ]


@export(v1=_names("tokenizer"))
def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """The words of each text."""
    for text in iterator:
        yield _WORDS.findall(text)


@export(v1=_names("CategoricalVocabulary"))
class CategoricalVocabulary:
    """Numbers of words, given in the order in which words come; 0 stands for all that are unknown.

    Args:
      unknown_token: what 0 is called.
      support_reverse: whether `reverse` works.
    """

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True):
        self._unknown_token, self._support_reverse, self._frozen = unknown_token, support_reverse, False
        self._mapping: dict[Any, int] = {unknown_token: 0}
        self._words: list[Any] = [unknown_token]
        self._counts: collections.Counter = collections.Counter()

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """From now on words that are not there are unknown; `freeze=False`: get numbers again."""
        self._frozen = freeze

    def get(self, category: Any) -> int:
        """The number of a word; a new one gets the next, unless the vocabulary is frozen."""
        if category not in self._mapping:
            if self._frozen:
                return 0
            self._mapping[category] = len(self._mapping)
            self._words.append(category)
        return self._mapping[category]

    def add(self, category: Any, count: int = 1) -> None:
        """Counts a word `count` times."""
        if self.get(category) > 0:
            self._counts[category] += count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keeps words that were counted more than `min_frequency` times and, if that is positive, less than `max_frequency`.

        Words get new numbers: the most frequent first, and in the order of the alphabet where they are as frequent.
        """
        by_word = sorted(self._counts.items(), key=lambda pair: (isinstance(pair[0], str), pair[0]))
        kept = {
            word: count
            for word, count in sorted(by_word, key=lambda pair: -pair[1])
            if count > min_frequency and not 0 < max_frequency <= count
        }
        self._words = [self._unknown_token, *kept]
        self._mapping = {word: number for number, word in enumerate(self._words)}
        self._counts = collections.Counter(kept)

    def reverse(self, class_id: int) -> Any:
        """The word with a number.

        Raises:
          ValueError: the vocabulary was made with `support_reverse=False`.
        """
        if not self._support_reverse:
            raise ValueError(
                "This vocabulary wasn't initialized with support_reverse to support reverse() function."
            )
        return self._words[class_id]

    def state(self) -> dict[str, Any]:
        """What JSON can hold, and `from_state` makes the same vocabulary from."""
        return {
            "words": self._words,
            "counts": [self._counts[word] for word in self._words],
            "support_reverse": self._support_reverse,
            "frozen": self._frozen,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], origin: str) -> CategoricalVocabulary:
        """The vocabulary of a `state`; `origin` is named where it is damaged.

        Raises:
          DataLossError: this is no such state.
        """
        words, counts = state.get("words"), state.get("counts")
        if not (isinstance(words, list) and words and isinstance(counts, list) and len(counts) == len(words)):
            raise DataLossError(
                None, None, f"{origin} holds no vocabulary: it needs words, and as many counts"
            )
        found = cls(words[0], bool(state.get("support_reverse")))
        found._words, found._frozen = words, bool(state.get("frozen"))
        found._mapping = {word: number for number, word in enumerate(words)}
        found._counts = collections.Counter({word: count for word, count in zip(words, counts) if count})
        return found


def _write(filename: str, state: dict[str, Any]) -> None:
    """Writes the state of a processor as JSON."""
    with replacing(filename) as file:
        file.write(json.dumps(state).encode())


def _read(filename: str, fields: dict[str, type]) -> dict[str, Any]:
    """The state that `_write` wrote, which has these fields.

    Raises:
      DataLossError: the file is no such state.
    """
    with open_to_read(filename) as file:
        data = file.read()
    try:
        state = json.loads(data)
    except ValueError as error:
        raise DataLossError(
            None,
            None,
            f"{filename} holds no processor in JSON (pickles of TensorFlow 1 are not read): {error}",
        ) from None
    if not isinstance(state, dict) or any(
        not isinstance(state.get(key), kind) for key, kind in fields.items()
    ):
        raise DataLossError(None, None, f"{filename} holds no such processor: it needs {', '.join(fields)}")
    return state


@export(v1=_names("VocabularyProcessor"))
class VocabularyProcessor:
    """Texts as rows of word numbers.

    Args:
      max_document_length: the length of a row: longer texts are cut off, shorter ones end in zeros.
      min_frequency: words that were not seen more often than that are unknown.
      vocabulary: a `CategoricalVocabulary`; by default a new one.
      tokenizer_fn: a function from an iterator over texts to one over lists of words; by default `tokenizer`.

    Attributes:
      vocabulary_: the vocabulary.

    Example:
      >>> import penstock as tf
      >>> processor = tf.compat.v1.contrib.learn.preprocessing.VocabularyProcessor(4)
      >>> [row.tolist() for row in processor.fit_transform(["a cat sat", "a dog and a cat sat"])]
      [[1, 2, 3, 0], [1, 4, 5, 1]]
      >>> [row.tolist() for row in processor.transform(["the dog"])]
      [[0, 4, 0, 0]]
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: Callable[[Iterable[str]], Iterable[list[str]]] | None = None,
    ):
        self.max_document_length, self.min_frequency = max_document_length, min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[str], unused_y: Any = None) -> VocabularyProcessor:
        """Learns the words of texts, and freezes the vocabulary; returns the processor."""
        for words in self._tokenizer(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Any, unused_y: Any = None) -> Iterator[np.ndarray]:
        """`fit`, and then `transform` of the same texts, which must not be an iterator."""
        self.fit(raw_documents)
        return self.transform(raw_documents)

    def transform(self, raw_documents: Iterable[str]) -> Iterator[np.ndarray]:
        """For each text an int64 row of `max_document_length` word numbers."""
        for words in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, word in zip(range(self.max_document_length), words):
                row[place] = self.vocabulary_.get(word)
            yield row

    def reverse(self, documents: Iterable[Iterable[int]]) -> Iterator[str]:
        """For each row of word numbers the words, with blanks between."""
        for row in documents:
            yield " ".join(self.vocabulary_.reverse(number) for number in row)

    def save(self, filename: str) -> None:
        """Writes everything but `tokenizer_fn` to a file, as JSON.

        Raises:
          TypeError: a word of the vocabulary is neither text nor a number.
        """
        _write(
            filename,
            {
                "max_document_length": self.max_document_length,
                "min_frequency": self.min_frequency,
                "own_tokenizer": self._tokenizer is not tokenizer,
                "vocabulary": self.vocabulary_.state(),
            },
        )

    @classmethod
    def restore(
        cls, filename: str, tokenizer_fn: Callable[[Iterable[str]], Iterable[list[str]]] | None = None
    ) -> VocabularyProcessor:
        """The processor that `save` wrote.

        Args:
          filename: the file.
          tokenizer_fn: that of the saved processor, if it had one of its own: code is not saved.

        Raises:
          DataLossError: the file is damaged, or is something else.
          ValueError: the saved processor had a `tokenizer_fn`, and none is given.
        """
        fields = {"max_document_length": int, "min_frequency": int, "own_tokenizer": bool, "vocabulary": dict}
        state = _read(filename, fields)
        if state["own_tokenizer"] and tokenizer_fn is None:
            raise ValueError(
                f"{filename}: the processor had a tokenizer of its own; pass it as `tokenizer_fn`"
            )
        vocabulary = CategoricalVocabulary.from_state(state["vocabulary"], filename)
        return cls(state["max_document_length"], state["min_frequency"], vocabulary, tokenizer_fn)


@export(v1=_names("ByteProcessor"))
class ByteProcessor:
    """Texts as rows of bytes: uint8, `max_document_length` long.

    Args:
      max_document_length: the length of a row: longer texts are cut off, shorter ones end in zeros.
    """

    def __init__(self, max_document_length: int):
        self.max_document_length = max_document_length

    def fit(self, x: Any) -> ByteProcessor:
        """There is nothing to learn."""
        return self

    def fit_transform(self, x: Iterable[Any]) -> Iterator[np.ndarray]:
        """The same as `transform`."""
        return self.transform(x)

    def transform(self, x: Iterable[Any]) -> Iterator[np.ndarray]:
        """For each text, str (as UTF-8) or bytes, a row."""
        for text in x:
            data = text.encode("utf-8") if isinstance(text, str) else bytes(text)
            row = np.zeros(self.max_document_length, np.uint8)
            part = np.frombuffer(data[: self.max_document_length], np.uint8)
            row[: len(part)] = part
            yield row

    def reverse(self, x: Iterable[np.ndarray]) -> Iterator[str]:
        """For each row its text, without the zeros."""
        for row in x:
            yield bytes(int(each) for each in row if each).decode("utf-8")

    def save(self, filename: str) -> None:
        """Writes this processor to a file, as JSON."""
        _write(filename, {"max_document_length": self.max_document_length})

    @classmethod
    def restore(cls, filename: str) -> ByteProcessor:
        """The processor that `save` wrote.

        Raises:
          DataLossError: the file is damaged, or is something else.
        """
        return cls(_read(filename, {"max_document_length": int})["max_document_length"])
