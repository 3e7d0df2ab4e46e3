"""Differences that are meant: which cases, in which aspects, and why. What is not in this table is a defect."""

from __future__ import annotations

import re
from dataclasses import dataclass

from oracle.comparison import Result


@dataclass(frozen=True)
class Intended:
    """A reason, and the cases (a regular expression for their names) and aspects that it explains."""

    reason: str
    names: str
    aspects: tuple[str, ...] = ("values", "errors", "functions", "gradients")
    cause: str = ""  # a regular expression that the cause must match

    def explains(self, result: Result, aspect: str) -> bool:
        """Whether the difference is of this kind."""
        return (
            aspect in self.aspects
            and re.match(self.names, result.name) is not None
            and re.search(self.cause, result.outcome[aspect]) is not None
        )


INTENDED = [
    Intended(
        "TensorFlow's rule leaves out a conjugate, or all of the gradient; Penstock's passes the test of finite differences.",
        r"(SquaredDifference|Sign|MatrixDeterminant|LogMatrixDeterminant|MatrixSquareRoot|MatrixSolveLs|Svd|Cumprod|Xlogy"
        r"|Xlog1py|Xdivy)\(complex",
        ("gradients",),
    ),
    Intended(
        "The gradient that TensorFlow gives is wrong, or not of the input's shape; Penstock's passes the test of finite "
        "differences.",
        r"(MatrixDiagV2|MatrixSetDiagV2|BandedTriangularSolve|SoftmaxCrossEntropyWithLogits|BesselI1|RGBToHSV"
        r"|Prod\(float16)",
        ("gradients",),
    ),
    Intended(
        "TensorFlow takes the mean and variance for functions of x; in these cases they are given independently.",
        r"FusedBatchNormGrad",
        ("gradients",),
    ),
    Intended(
        "Outputs that the attributes switch off; TensorFlow leaves their memory uninitialised.",
        r"(Svd|SelfAdjointEigV2|Eig)\(.*compute_u?v=False|FusedBatchNorm.*is_training=False",
        ("values", "functions"),
        "result [1-5]",
    ),
    Intended(
        "A factorization that fails has no values.", r"Cholesky|tf.linalg.cholesky\(-m|Lu\(float32\[2,2\]"
    ),
    Intended(
        "TensorFlow's shape rule refuses what its kernel computes.",
        r"RaggedTensorToTensor\(int64\[\]",
        ("functions",),
        "Penstock: no error",
    ),
    Intended(
        "Penstock accepts more.",
        r"(Conv2DBackprop\w+V2|BatchNormWithGlobalNormalization"
        r"|ClipByValue|Eig|Einsum|TopK|ConcatV2|ScatterNd|Stateless\w+V2|CheckPinned|tf\.constant\(\[True, 1"
        r"|tf\.map_fn\(lambda e: tf\.cast)",
        ("errors", "functions"),
        "Penstock: no error",
    ),
    Intended(
        "`tf.estimator`, which TensorFlow 2.16 dropped, is there.",
        r"programs/objects\.eras$",
        ("values", "functions"),
    ),
    Intended(
        "TensorFlow's kernel reads past the end of the counter, or takes a vector of one value for a scalar.",
        r"(StatelessRandomUniformV2\(int32\[1\],uint64\[1\],uint64\[1\]|(Fill|Range)\(int32\[1\])",
        ("values", "functions"),
    ),
    Intended(
        "TensorFlow's optimizer removes the call before its check fails.",
        r"((Sum|Mean|Prod)\(float32\[2,3\],int32\[2\]\)|tf\.TensorArray.*write\(5)",
        ("functions",),
    ),
    Intended("TensorFlow's kernel for integers gives zeros.", r"Round\(int32", ("values", "functions")),
    Intended(
        "TensorFlow reports a division by zero as an InternalError.",
        r"TruncateDiv\(int32",
        ("errors", "functions"),
    ),
    Intended(
        "No kernel in TensorFlow, so that its error is another one.",
        r"(FFTND|Segment\w+V2|MatrixExponential)\(",
        ("errors", "functions"),
        "NotFoundError|UnimplementedError|NotImplementedError",
    ),
    Intended("A shuffle's order is its own, from the same seed too.", r"list\(.*\.shuffle\(", ("values",)),
    Intended(
        "Gradients that arrive at the second output: TensorFlow drops them, Penstock refuses.",
        r"CTCLoss\(",
        ("gradients",),
    ),
    Intended(
        "The pixels are those of the whole image; TensorFlow's at the window's edge lack the colours beside it.",
        r"tf\.io\.decode_and_crop_jpeg\(",
        ("values", "functions"),
    ),
    Intended("TensorFlow raises a TypeError here while tracing.", r"tf\.constant\(\[.a., 1", ("functions",)),
    Intended(
        "Raised when the function runs; TensorFlow raises the ValueError while tracing.",
        r"",
        ("functions",),
        "TensorFlow: (ValueError|TypeError), Penstock: (InvalidArgument|FailedPrecondition)Error",
    ),
]


def reason_for(result: Result, aspect: str) -> str | None:
    """Why a difference is meant, or None where it is not."""
    return next((each.reason for each in INTENDED if each.explains(result, aspect)), None)
