"""The classes of feature columns under the names that TensorFlow's private `feature_column` module gives them."""

from __future__ import annotations

from penstock.feature_column.categorical import (
    CrossedColumn,
    HashedCategoricalColumn,
    IdentityCategoricalColumn,
    WeightedCategoricalColumn,
)
from penstock.feature_column.columns import CategoricalColumn, DenseColumn, FeatureColumn, SequenceDenseColumn
from penstock.feature_column.embeddings import EmbeddingColumn, IndicatorColumn, SharedEmbeddingColumn
from penstock.feature_column.numeric import BucketizedColumn, NumericColumn
from penstock.feature_column.vocabulary import (
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
)

for _class in (
    BucketizedColumn, CategoricalColumn, CrossedColumn, DenseColumn, EmbeddingColumn, FeatureColumn,
    HashedCategoricalColumn, IdentityCategoricalColumn, IndicatorColumn, NumericColumn, SequenceDenseColumn,
    SharedEmbeddingColumn, VocabularyFileCategoricalColumn, VocabularyListCategoricalColumn, WeightedCategoricalColumn,
):  # fmt: skip
    globals()[f"_{_class.__name__}"] = _class  # as the first version of the module called them
