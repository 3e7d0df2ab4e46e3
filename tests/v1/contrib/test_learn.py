"""`contrib.learn`: vocabularies of texts, and sets of data."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

learn = tf.compat.v1.contrib.learn
text = learn.preprocessing


@pytest.fixture
def processor():
    return text.VocabularyProcessor(5)


def rows(found):
    return [row.tolist() for row in found]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("I don't know, well-known", ["I", "don't", "know", "well-known"]),
        ("CamelCase of NASA", ["Camel", "Case", "of", "NASA"]),
        ("größer als 3.5", ["größer", "als", "3", "5"]),
        ("", []),
    ],
)
def test_words(sentence, words):
    assert list(text.tokenizer([sentence])) == [words]


def test_rows_of_words(processor):
    found = list(processor.fit_transform(["one two one", "three"]))
    assert found[0].dtype == np.int64
    assert rows(found) == [[1, 2, 1, 0, 0], [3, 0, 0, 0, 0]]
    assert len(processor.vocabulary_) == 4
    assert rows(processor.transform(["two four"])) == [[2, 0, 0, 0, 0]]
    assert list(processor.reverse([[3, 0, 1]])) == ["three <UNK> one"]


def test_a_processor_is_saved_and_restored(processor, tmp_path):
    processor.fit(["one two"])
    processor.save(str(tmp_path / "vocab"))
    again = text.VocabularyProcessor.restore(str(tmp_path / "vocab"))
    assert rows(again.transform(["two one zero"])) == [[2, 1, 0, 0, 0]]
    assert list(again.reverse([[1, 2]])) == ["one two"]


def test_a_tokenizer_is_given_again(tmp_path):
    def letters(texts):
        return map(list, texts)

    path = str(tmp_path / "vocab")
    text.VocabularyProcessor(3, tokenizer_fn=letters).fit(["abc"]).save(path)
    assert rows(text.VocabularyProcessor.restore(path, letters).transform(["cab"])) == [[3, 1, 2]]
    with pytest.raises(ValueError, match="tokenizer_fn"):
        text.VocabularyProcessor.restore(path)


@pytest.mark.parametrize("data", [b"", b"\x80\x04]", b"[1]", b'{"max_document_length": "3"}', b'{"vocab'])
def test_a_damaged_file_is_refused(data, tmp_path):
    (tmp_path / "vocab").write_bytes(data)
    for kind in (text.VocabularyProcessor, text.ByteProcessor):
        with pytest.raises(tf.errors.DataLossError, match="vocab"):
            kind.restore(str(tmp_path / "vocab"))


def test_rare_words_are_unknown():
    processor = text.VocabularyProcessor(4, min_frequency=1)
    found = rows(processor.fit_transform(["b c a", "a b", "a d"]))
    assert found == [[2, 0, 1, 0], [1, 2, 0, 0], [1, 0, 0, 0]]


def test_a_vocabulary_without_reverse():
    vocabulary = text.CategoricalVocabulary(support_reverse=False)
    vocabulary.add("a")
    with pytest.raises(ValueError, match="support_reverse"):
        vocabulary.reverse(1)


def test_bytes_of_texts():
    processor = text.ByteProcessor(4)
    found = list(processor.fit_transform(["ab", "größe"]))
    assert found[0].dtype == np.uint8 and found[0].tolist() == [97, 98, 0, 0]
    assert list(processor.reverse(found[:1])) == ["ab"]


def test_iris():
    iris = learn.datasets.load_dataset("iris")
    assert iris.data.shape == (150, 4) and iris.data.dtype == np.float64
    assert np.bincount(iris.target).tolist() == [50, 50, 50]


def test_csv_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("2,3,x,y\n1,2,3,0\n4,5,6,1\n")
    base = learn.datasets.base
    found = base.load_csv_with_header(str(path), target_dtype=int, features_dtype=np.float32)
    np.testing.assert_array_equal(found.data, [[1, 2, 3], [4, 5, 6]])
    assert found.target.tolist() == [0, 1]
    path.write_text("0,1,2\n1,4,5\n")
    found = base.load_csv_without_header(str(path), np.int32, np.float32, target_column=0)
    assert found.target.tolist() == [0, 1] and found.data.tolist() == [[1, 2], [4, 5]]


def test_a_csv_file_that_is_cut_off(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("3,2,x\n1,2,0\n")
    with pytest.raises(ValueError, match="3 rows"):
        learn.datasets.base.load_csv_with_header(str(path), int, float)


def test_sets_that_would_be_downloaded_are_refused():
    with pytest.raises(ValueError, match="dbpedia"):
        learn.datasets.load_dataset("dbpedia")


def test_digits_have_their_place_here_too():
    found = learn.datasets.mnist.read_data_sets("", fake_data=True)
    assert found.train.num_examples == 10000
