// Softmax over rows, and the cross entropy of its logarithm with a class for each row, together with its gradient.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "elementary.h"
#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

// About as many numbers as are worth another thread.
constexpr long kGrain = 1 << 13;

// As many partial sums and maxima as a vector has lanes: the order of a single one would forbid vectors.
constexpr int kLanes = 16;

// Writes e^(x - max) and returns what these add up to; `largest` gets the maximum. Both are NaN for a row that has no
// softmax: one with NaN or inf, or with nothing but -inf.
inline PENSTOCK_INLINE float exponentials(const float* x, float* to, long size, float& largest) {
  float most[kLanes], sums[kLanes] = {};
  int numbers[kLanes];
  std::fill(most, most + kLanes, -std::numeric_limits<float>::infinity());
  std::fill(numbers, numbers + kLanes, 1);
  long whole = size / kLanes * kLanes;
  for (long i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      most[lane] = x[i + lane] > most[lane] ? x[i + lane] : most[lane];
      numbers[lane] &= x[i + lane] == x[i + lane];
    }
  }
  for (long i = whole; i < size; ++i) {
    most[i - whole] = x[i] > most[i - whole] ? x[i] : most[i - whole];
    numbers[i - whole] &= x[i] == x[i];
  }
  float top = *std::max_element(most, most + kLanes);
  bool is_number = std::fabs(top) <= std::numeric_limits<float>::max() && *std::min_element(numbers, numbers + kLanes);
  for (long i = 0; i < size; ++i) {
    float distance = x[i] - top;
    to[i] = distance < -87.0f ? 0.0f : exponential(distance);
  }
  for (long i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += to[i + lane];
  }
  for (long i = whole; i < size; ++i) sums[i - whole] += to[i];
  float total = 0.0f;
  for (float sum : sums) total += sum;
  largest = is_number ? top : std::numeric_limits<float>::quiet_NaN();
  return is_number ? total : largest;
}

PENSTOCK_VECTORIZED void softmax_rows(const float* x, float* y, long size, long first, long last) {
  for (long row = first; row < last; ++row) {
    float largest;
    float scale = 1.0f / exponentials(x + row * size, y + row * size, size, largest);
    for (long i = row * size; i < (row + 1) * size; ++i) y[i] *= scale;
  }
}

// x [..., n] -> y: softmax over the last dimension.
ffi::Error softmax(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y) {
  return guarded("softmax", [&] {
    long size = x.dimensions().back(), rows = static_cast<long>(x.element_count()) / size;
    const float* from = static_cast<const float*>(x.untyped_data());
    float* to = static_cast<float*>(y->untyped_data());
    parallel_for(rows, std::max(1L, kGrain / size),
                 [&](long first, long last) { softmax_rows(from, to, size, first, last); });
  });
}

PENSTOCK_VECTORIZED void cross_entropy_rows(const float* logits, const int64_t* labels, float* losses, float* gradient,
                                            long classes, long first, long last) {
  for (long row = first; row < last; ++row) {
    const float* x = logits + row * classes;
    float* to = gradient + row * classes;
    float largest, total = exponentials(x, to, classes, largest);
    bool inside = labels[row] >= 0 && labels[row] < classes;
    float scale = inside ? 1.0f / total : std::numeric_limits<float>::quiet_NaN();
    for (long i = 0; i < classes; ++i) to[i] *= scale;
    losses[row] = scale;
    if (inside) {
      losses[row] = std::log(total) - (x[labels[row]] - largest);
      to[labels[row]] -= 1.0f;
    }
  }
}

// logits [n, classes], labels [n] int64 -> losses [n], their gradient [n, classes]; NaN where there is no such class.
ffi::Error sparse_cross_entropy(ffi::AnyBuffer logits, ffi::AnyBuffer labels, ffi::Result<ffi::AnyBuffer> losses,
                                ffi::Result<ffi::AnyBuffer> gradient) {
  return guarded("sparse_cross_entropy", [&] {
    long classes = logits.dimensions()[1];
    const float* x = static_cast<const float*>(logits.untyped_data());
    const int64_t* chosen = static_cast<const int64_t*>(labels.untyped_data());
    float *to = static_cast<float*>(losses->untyped_data()), *to_gradient = static_cast<float*>(gradient->untyped_data());
    parallel_for(logits.dimensions()[0], std::max(1L, kGrain / classes), [&](long first, long last) {
      cross_entropy_rows(x, chosen, to, to_gradient, classes, first, last);
    });
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_softmax, softmax,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_sparse_cross_entropy, sparse_cross_entropy,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

}  // namespace penstock
