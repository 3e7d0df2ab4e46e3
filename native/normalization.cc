// Layer normalization, (x - mean) / sqrt(variance + epsilon) * gamma + beta with the mean and variance of each row, and
// its gradients. Mean and variance are computed again for the gradients: a row is in cache then.
#include <cmath>

#include "onednn.h"
#include "rows.h"

namespace penstock {
namespace {

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

struct Moments {
  float mean, scale;  // scale: 1 / sqrt(variance + epsilon)
};

inline PENSTOCK_INLINE Moments moments(const float* x, long columns, float epsilon) {
  float mean = reduced(columns, 0.0f, [&](long c) PENSTOCK_INLINE { return x[c]; }, plus) / columns;
  auto square = [&](long c) PENSTOCK_INLINE { return (x[c] - mean) * (x[c] - mean); };
  return {mean, 1.0f / __builtin_sqrtf(reduced(columns, 0.0f, square, plus) / columns + epsilon)};
}

PENSTOCK_VECTORIZED void normalize(const float* x, const float* gamma, const float* beta, float* y, long rows,
                                   long columns, float epsilon) {
  for (long r = 0; r < rows; ++r, x += columns, y += columns) {
    Moments of = moments(x, columns, epsilon);
#pragma GCC ivdep
    for (long c = 0; c < columns; ++c) y[c] = (x[c] - of.mean) * of.scale * gamma[c] + beta[c];
  }
}

// With n = (x - mean) scale and g = dy gamma: dx = scale (g - mean of g - n mean of (g n)); dgamma and dbeta get sums.
PENSTOCK_VECTORIZED void differentiate(const float* x, const float* gamma, const float* dy, float* dx, float* dgamma,
                                       float* dbeta, long rows, long columns, float epsilon) {
  for (long r = 0; r < rows; ++r, x += columns, dy += columns, dx += columns) {
    Moments of = moments(x, columns, epsilon);
    auto normal = [&](long c) PENSTOCK_INLINE { return (x[c] - of.mean) * of.scale; };
    auto weighted = [&](long c) PENSTOCK_INLINE { return dy[c] * gamma[c]; };
    auto product = [&](long c) PENSTOCK_INLINE { return weighted(c) * normal(c); };
    float mean = reduced(columns, 0.0f, weighted, plus) / columns;
    float slope = reduced(columns, 0.0f, product, plus) / columns;
#pragma GCC ivdep
    for (long c = 0; c < columns; ++c) {
      float n = normal(c), d = dy[c];
      dgamma[c] += d * n;
      dbeta[c] += d;
      dx[c] = of.scale * (d * gamma[c] - mean - n * slope);
    }
  }
}

// x [rows, columns], gamma and beta [columns] -> y like x
ffi::Error layer_normalization(ffi::AnyBuffer x, ffi::AnyBuffer gamma, ffi::AnyBuffer beta,
                               ffi::Result<ffi::AnyBuffer> y, double epsilon) {
  return guarded("layer_normalization", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1];
    for_rows(rows, columns, [&](long first, long last) {
      normalize(floats(x) + first * columns, floats(gamma), floats(beta), floats(*y) + first * columns, last - first,
                columns, static_cast<float>(epsilon));
    });
  });
}

// x and gamma as `layer_normalization` got them, the gradient dy of its result -> dx, dgamma, dbeta
ffi::Error layer_normalization_gradient(ffi::AnyBuffer x, ffi::AnyBuffer gamma, ffi::AnyBuffer dy,
                                        ffi::Result<ffi::AnyBuffer> dx, ffi::Result<ffi::AnyBuffer> dgamma,
                                        ffi::Result<ffi::AnyBuffer> dbeta, double epsilon) {
  return guarded("layer_normalization_gradient", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1];
    ColumnSums gammas(columns), betas(columns);
    for_rows(rows, columns, [&](long first, long last) {
      long at = first * columns;
      differentiate(floats(x) + at, floats(gamma), floats(dy) + at, floats(*dx) + at, gammas.mine(), betas.mine(),
                    last - first, columns, static_cast<float>(epsilon));
    });
    gammas.write(floats(*dgamma));
    betas.write(floats(*dbeta));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_layer_normalization, layer_normalization,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<double>("epsilon"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_layer_normalization_gradient, layer_normalization_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<double>("epsilon"));

}  // namespace penstock
