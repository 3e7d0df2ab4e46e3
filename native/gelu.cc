// GELU, v (1 + erf(v / sqrt(2))) / 2 for v = x + bias, and its gradients, in one pass each: XLA keeps erf for the gradients,
// an array as large as x.
#include "elementary.h"
#include "onednn.h"
#include "rows.h"

namespace penstock {
namespace {

constexpr float kRootOfHalf = 0.70710678f;
constexpr float kDensity = 0.39894228f;  // 1 / sqrt(2 pi)

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// The normal distribution's function: the share of a layer's input that GELU passes on.
inline PENSTOCK_INLINE float share(float v) { return 0.5f + 0.5f * error_function(v * kRootOfHalf); }

PENSTOCK_VECTORIZED void apply(const float* x, const float* bias, float* y, long rows, long columns) {
  for (long r = 0; r < rows; ++r, x += columns, y += columns) {
#pragma GCC ivdep
    for (long c = 0; c < columns; ++c) {
      float v = x[c] + bias[c];
      y[c] = v * share(v);
    }
  }
}

PENSTOCK_VECTORIZED void differentiate(const float* x, const float* bias, const float* dy, float* dx, float* dbias,
                                       long rows, long columns) {
  for (long r = 0; r < rows; ++r, x += columns, dy += columns, dx += columns) {
#pragma GCC ivdep
    for (long c = 0; c < columns; ++c) {
      float v = x[c] + bias[c];
      float d = dy[c] * (share(v) + v * kDensity * exponential(-0.5f * v * v));
      dbias[c] += d;
      dx[c] = d;
    }
  }
}

// x [rows, columns], bias [columns] -> y like x
ffi::Error gelu(ffi::AnyBuffer x, ffi::AnyBuffer bias, ffi::Result<ffi::AnyBuffer> y) {
  return guarded("gelu", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1];
    for_rows(rows, columns, [&](long first, long last) {
      apply(floats(x) + first * columns, floats(bias), floats(*y) + first * columns, last - first, columns);
    });
  });
}

// x and bias as `gelu` got them, the gradient dy of its result -> dx, dbias
ffi::Error gelu_gradient(ffi::AnyBuffer x, ffi::AnyBuffer bias, ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dx,
                         ffi::Result<ffi::AnyBuffer> dbias) {
  return guarded("gelu_gradient", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1];
    ColumnSums sums(columns);
    for_rows(rows, columns, [&](long first, long last) {
      long at = first * columns;
      differentiate(floats(x) + at, floats(bias), floats(dy) + at, floats(*dx) + at, sums.mine(), last - first, columns);
    });
    sums.write(floats(*dbias));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_gelu, gelu,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_gelu_gradient, gelu_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

}  // namespace penstock
