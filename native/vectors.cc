// Products of a matrix and a vector, as a network computes for one example: they take the time of reading the matrix once,
// by every thread a part of it. The layer's bias and activation function come with them.
#include <algorithm>

#include "onednn.h"
#include "rows.h"

namespace penstock {
namespace {

constexpr long kTogether = 4;       // rows, for each time that a sum is read and written
constexpr long kAhead = 512;        // numbers, from what is read to what is fetched meanwhile
constexpr long kNumbers = 1 << 18;  // of the matrix, that are worth a thread
// Of a large one, threads take parts of the rows one after the other, as the second thread takes a while to come.
constexpr long kPart = 1 << 18, kParts = 32;

// y += x of the rows, times the rows of w. The rows that are read together are far from each other: memory delivers
// several streams faster than one.
PENSTOCK_VECTORIZED void add_weighted(const float* w, const float* x, float* y, long rows, long columns) {
  long apart = rows / kTogether, r = 0;
  for (; r < apart; ++r) {
    const float *a = w + r * columns, *b = a + apart * columns, *c = b + apart * columns, *d = c + apart * columns;
    float p = x[r], q = x[r + apart], s = x[r + 2 * apart], t = x[r + 3 * apart];
    long whole = columns / kLanes * kLanes;
    for (long n = 0; n < whole; n += kLanes) {
      for (const float* row : {a, b, c, d}) __builtin_prefetch(row + n + kAhead);
      for (long i = n; i < n + kLanes; ++i) y[i] += (p * a[i] + q * b[i]) + (s * c[i] + t * d[i]);
    }
    for (long i = whole; i < columns; ++i) y[i] += (p * a[i] + q * b[i]) + (s * c[i] + t * d[i]);
  }
  for (r = kTogether * apart; r < rows; ++r)
    for (long i = 0; i < columns; ++i) y[i] += x[r] * w[r * columns + i];
}

PENSTOCK_VECTORIZED void dot_rows(const float* w, const float* x, float* y, long rows, long columns) {
  for (long r = 0; r < rows; ++r) {
    const float* row = w + r * columns;
    y[r] = reduced(columns, 0.0f, [&](long i) PENSTOCK_INLINE { return row[i] * x[i]; }, plus);
  }
}

PENSTOCK_VECTORIZED void finish(float* y, long count, const float* bias, bool relu) {
  if (bias != nullptr)
    for (long i = 0; i < count; ++i) y[i] += bias[i];
  if (relu)
    for (long i = 0; i < count; ++i) y[i] = y[i] < 0.0f ? 0.0f : y[i];  // NaN stays
}

// The matrix [rows, columns]; x times it, or with `from_right` it times x. With a third array, plus that; with `relu`,
// negative results become 0.
ffi::Error vector_product(ffi::AnyBuffer matrix, ffi::AnyBuffer vector, ffi::RemainingArgs rest,
                          ffi::Result<ffi::AnyBuffer> y, bool from_right, bool relu) {
  return guarded("vector_product", [&] {
    const float* bias =
        rest.size() > 0 ? static_cast<const float*>(rest.get<ffi::AnyBuffer>(0).value().untyped_data()) : nullptr;
    long rows = matrix.dimensions()[0], columns = matrix.dimensions()[1];
    const float *w = static_cast<const float*>(matrix.untyped_data()),
                *x = static_cast<const float*>(vector.untyped_data());
    float* to = static_cast<float*>(y->untyped_data());
    if (from_right) {
      parallel_for(rows, std::max(kTogether, kNumbers / columns), [&](long first, long last) {
        dot_rows(w + first * columns, x, to + first, last - first, columns);
      });
      return finish(to, rows, bias, relu);
    }
    const long numbers = rows * columns, most = std::max<long>(team_size(), std::min(kParts, numbers / kPart));
    const long parts = numbers < kNumbers ? 1 : std::min(rows, most);
    ColumnSums sums(columns, parts);
    parallel_chunks(parts, 1, [&](long first_part, long last_part) {
      for (long part = first_part; part < last_part; ++part) {
        long first = rows * part / parts, last = rows * (part + 1) / parts;
        add_weighted(w + first * columns, x + first, sums.of(part), last - first, columns);
      }
    });
    sums.write(to);
    finish(to, columns, bias, relu);
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_vector_product, vector_product,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<bool>("from_right")
                                  .Attr<bool>("relu"));

}  // namespace penstock
