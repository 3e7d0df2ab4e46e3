// Attention, softmax(scale q k^T) v for each head, and its gradients.
//
// The matrix of scores, the largest array of a Transformer, is never in memory as a whole: some of its rows are
// computed, used and forgotten while they are in cache. The gradient computes them again.
#include <algorithm>
#include <memory>

#include "elementary.h"
#include "onednn.h"
#include "packed.h"
#include "rows.h"

namespace penstock {
namespace {

constexpr long kCached = 1 << 14;  // scores at a time

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// Arrays of queries are [batch, queries, heads, width], those of keys and values [batch, keys, heads, width].
struct Shape {
  long batch, queries, keys, heads, width;

  Shape(const ffi::AnyBuffer& q, const ffi::AnyBuffer& k)
      : batch(q.dimensions()[0]), queries(q.dimensions()[1]), keys(k.dimensions()[1]), heads(q.dimensions()[2]),
        width(q.dimensions()[3]) {}

  long stride() const { return heads * width; }  // from a query, or key, to the next
  long rows() const { return std::max(1L, std::min(queries, kCached / keys)); }  // of scores at a time

  // Multiplications and additions of one product.
  double work() const { return 2.0 * batch * heads * queries * keys * width; }

  // Calls body(where a head begins in arrays of queries, where in arrays of keys) for each head of each example.
  template <typename Body>
  void for_each_head(const Body& body) const {
    parallel_for(batch * heads, 1, [&](long first, long last) {
      for (long i = first; i < last; ++i) {
        long example = i / heads, head = i % heads * width;
        body(example * queries * stride() + head, example * keys * stride() + head);
      }
    });
  }
};

// softmax(scale * x) of each row, in place.
PENSTOCK_VECTORIZED void softmax_rows(float* x, long rows, long columns, float scale) {
  for (long r = 0; r < rows; ++r, x += columns) {
    auto at = [&](long c) PENSTOCK_INLINE { return x[c]; };
    for (long c = 0; c < columns; ++c) x[c] *= scale;
    float most = reduced(columns, -__builtin_inff(), at, larger);
    for (long c = 0; c < columns; ++c) x[c] = exponential(x[c] - most);
    float share = 1.0f / reduced(columns, 0.0f, at, plus);
    for (long c = 0; c < columns; ++c) x[c] *= share;
  }
}

// The gradient dy with respect to y = softmax(scale * x) becomes that with respect to x.
PENSTOCK_VECTORIZED void softmax_gradient_rows(const float* y, float* dy, long rows, long columns, float scale) {
  for (long r = 0; r < rows; ++r, y += columns, dy += columns) {
    float sum = reduced(columns, 0.0f, [&](long c) PENSTOCK_INLINE { return y[c] * dy[c]; }, plus);
#pragma GCC ivdep
    for (long c = 0; c < columns; ++c) dy[c] = y[c] * (dy[c] - sum) * scale;
  }
}

// q, k, v and a scale -> the mean of the values, weighted for each query
ffi::Error attention(ffi::AnyBuffer q, ffi::AnyBuffer k, ffi::AnyBuffer v, ffi::AnyBuffer scale,
                     ffi::Result<ffi::AnyBuffer> y) {
  return guarded("attention", [&] {
    Shape shape(q, k);
    long stride = shape.stride(), width = shape.width;
    Turn turn(2 * shape.work());
    shape.for_each_head([&](long query, long key) {
      Packed keys(floats(k) + key, width, shape.keys, 1, stride);
      Packed values(floats(v) + key, shape.keys, width, stride, 1);
      std::unique_ptr<float[]> scores(new float[shape.rows() * shape.keys]);
      for (long first = 0; first < shape.queries; first += shape.rows()) {
        long rows = std::min(shape.rows(), shape.queries - first), at = query + first * stride;
        multiply({floats(q) + at, rows, stride}, keys, scores.get(), shape.keys, {false});
        softmax_rows(scores.get(), rows, shape.keys, *floats(scale));
        multiply({scores.get(), rows, shape.keys}, values, floats(*y) + at, stride, {false});
      }
    });
  });
}

// q, k, v and scale as `attention` got them, the gradient dy of its result -> dq, dk, dv
ffi::Error attention_gradient(ffi::AnyBuffer q, ffi::AnyBuffer k, ffi::AnyBuffer v, ffi::AnyBuffer scale,
                              ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dq, ffi::Result<ffi::AnyBuffer> dk,
                              ffi::Result<ffi::AnyBuffer> dv) {
  return guarded("attention_gradient", [&] {
    Shape shape(q, k);
    long stride = shape.stride(), width = shape.width, keys = shape.keys;
    Turn turn(5 * shape.work());
    shape.for_each_head([&](long query, long key) {
      Packed k_transposed(floats(k) + key, width, keys, 1, stride);
      Packed v_transposed(floats(v) + key, width, keys, 1, stride);
      Packed k_packed(floats(k) + key, keys, width, stride, 1);
      long cached = shape.rows() * keys;
      std::unique_ptr<float[]> memory(new float[2 * cached]);
      float *weights = memory.get(), *gradients = weights + cached;
      for (long first = 0; first < shape.queries; first += shape.rows()) {
        long rows = std::min(shape.rows(), shape.queries - first), at = query + first * stride;
        bool add = first > 0;  // what the rows before gave to the keys and values
        multiply({floats(q) + at, rows, stride}, k_transposed, weights, keys, {false});
        softmax_rows(weights, rows, keys, *floats(scale));
        multiply({weights, keys, 1, keys}, Packed(floats(dy) + at, rows, width, stride, 1), floats(*dv) + key, stride, {add});
        multiply({floats(dy) + at, rows, stride}, v_transposed, gradients, keys, {false});
        softmax_gradient_rows(weights, gradients, rows, keys, *floats(scale));
        multiply({gradients, rows, keys}, k_packed, floats(*dq) + at, stride, {false});
        multiply({gradients, keys, 1, keys}, Packed(floats(q) + at, rows, width, stride, 1), floats(*dk) + key, stride, {add});
      }
    });
  });
}

}  // namespace

#define PENSTOCK_ARRAY Arg<ffi::AnyBuffer>()
#define PENSTOCK_RESULT Ret<ffi::AnyBuffer>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    penstock_attention, attention,
    ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_RESULT);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_attention_gradient, attention_gradient,
                              ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY
                                  .PENSTOCK_RESULT.PENSTOCK_RESULT.PENSTOCK_RESULT);

}  // namespace penstock
