// Adam's update of one variable in one pass (XLA does three, which read and write every array more often), also where the
// gradient is a few rows of a large table, or a product over a small batch, which then is never in memory; and the sum of rows
// that other users of a gradient of rows need.
//
// The results take the place of the arrays that they update where XLA finds that nothing else reads those.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "adam.h"
#include "onednn.h"
#include "packed.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

// Fewer numbers than this are not worth another thread.
constexpr long kGrain = 1 << 14;
// What a thread takes at a time of something larger.
constexpr long kChunk = 1 << 16;

// The same roundings as m + (g - m) * first, v + (squares - v) * second, p - m * step / (sqrt(v) + epsilon).
PENSTOCK_VECTORIZED void update(const float* p, const float* m, const float* v, const float* g, const float* squares,
                                float* new_p, float* new_m, float* new_v, Rates rates, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) {
    float moment = m[i] + (g[i] - m[i]) * rates.first;
    float spread = v[i] + (squares[i] - v[i]) * rates.second;
    new_m[i] = moment;
    new_v[i] = spread;
    new_p[i] = p[i] - moment * rates.step / (__builtin_sqrtf(spread) + rates.epsilon);
  }
}

PENSTOCK_VECTORIZED void update_dense(const float* p, const float* m, const float* v, const float* g, float* new_p,
                                      float* new_m, float* new_v, Rates rates, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) {
    float moment = m[i] + (g[i] - m[i]) * rates.first;
    float spread = v[i] + (g[i] * g[i] - v[i]) * rates.second;
    new_m[i] = moment;
    new_v[i] = spread;
    new_p[i] = p[i] - moment * rates.step / (__builtin_sqrtf(spread) + rates.epsilon);
  }
}

// Where the gradient is 0.
PENSTOCK_VECTORIZED void update_without_gradient(const float* p, const float* m, const float* v, float* new_p, float* new_m,
                                                 float* new_v, Rates rates, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) {
    float moment = m[i] + (0.0f - m[i]) * rates.first;
    float spread = v[i] + (0.0f - v[i]) * rates.second;
    new_m[i] = moment;
    new_v[i] = spread;
    new_p[i] = p[i] - moment * rates.step / (__builtin_sqrtf(spread) + rates.epsilon);
  }
}

// Adds a row of a gradient and its squares to sums.
PENSTOCK_VECTORIZED void add_row(const float* row, float* sum, float* squares, long width) {
#pragma GCC ivdep
  for (long c = 0; c < width; ++c) {
    sum[c] += row[c];
    squares[c] += row[c] * row[c];
  }
}

// Which rows of a gradient belong to each row of a table: linked lists, in the order of the gradient.
class RowLists {
 public:
  static constexpr int32_t kEnd = -1;

  // Ids outside of the table are left out.
  RowLists(const int32_t* ids, long n, long count) : first_(count, kEnd), next_(n) {
    for (long i = n - 1; i >= 0; --i) {
      if (ids[i] < 0 || ids[i] >= count) continue;
      next_[i] = first_[ids[i]];
      first_[ids[i]] = static_cast<int32_t>(i);
    }
  }

  int32_t first(long row) const { return first_[row]; }
  int32_t next(int32_t i) const { return next_[i]; }

 private:
  std::vector<int32_t> first_, next_;
};

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// p, m, v, gradient: arrays of one shape; rates [4]; with `has_squares`, what v moves to, where that is not the square of
// the gradient. Arrays after these only say what must have been computed before.
ffi::Error adam(ffi::AnyBuffer p, ffi::AnyBuffer m, ffi::AnyBuffer v, ffi::AnyBuffer g, ffi::AnyBuffer rates,
                ffi::RemainingArgs rest, ffi::Result<ffi::AnyBuffer> new_p, ffi::Result<ffi::AnyBuffer> new_m,
                ffi::Result<ffi::AnyBuffer> new_v, bool has_squares) {
  return guarded("adam", [&] {
    const float* squares = has_squares ? floats(rest.get<ffi::AnyBuffer>(0).value()) : nullptr;
    const float* given = floats(rates);
    Rates each{given[0], given[1], given[2], given[3]};
    parallel_chunks(static_cast<long>(p.element_count()), kGrain, [&](long first, long last) {
      long count = last - first;
      if (squares == nullptr) {
        update_dense(floats(p) + first, floats(m) + first, floats(v) + first, floats(g) + first, floats(*new_p) + first,
                     floats(*new_m) + first, floats(*new_v) + first, each, count);
      } else {
        update(floats(p) + first, floats(m) + first, floats(v) + first, floats(g) + first, squares + first,
               floats(*new_p) + first, floats(*new_m) + first, floats(*new_v) + first, each, count);
      }
    });
  });
}

// p, m, v [count, width]; rows [n, width], ids [n] int32: the gradient is the sum of the rows of each id, and v moves to the
// sum of their squares, as Keras has it; rates [4]; arrays after these only say what must have been computed before.
ffi::Error adam_rows(ffi::AnyBuffer p, ffi::AnyBuffer m, ffi::AnyBuffer v, ffi::AnyBuffer rows, ffi::AnyBuffer ids,
                     ffi::AnyBuffer rates, ffi::RemainingArgs, ffi::Result<ffi::AnyBuffer> new_p,
                     ffi::Result<ffi::AnyBuffer> new_m, ffi::Result<ffi::AnyBuffer> new_v) {
  return guarded("adam_rows", [&] {
    long count = p.dimensions()[0], width = p.dimensions()[1];
    const float* given = floats(rates);
    Rates each{given[0], given[1], given[2], given[3]};
    RowLists lists(static_cast<const int32_t*>(ids.untyped_data()), ids.element_count(), count);
    parallel_chunks(count, std::max(1L, kChunk / width), [&](long first, long last) {
      std::vector<float> sum(width), squares(width);
      for (long row = first; row < last;) {
        long end = row, at = row * width;
        while (end < last && lists.first(end) == RowLists::kEnd) ++end;
        if (end > row) {
          update_without_gradient(floats(p) + at, floats(m) + at, floats(v) + at, floats(*new_p) + at, floats(*new_m) + at,
                                  floats(*new_v) + at, each, (end - row) * width);
          row = end;
          continue;
        }
        std::fill(sum.begin(), sum.end(), 0.0f);
        std::fill(squares.begin(), squares.end(), 0.0f);
        for (int32_t i = lists.first(row); i != RowLists::kEnd; i = lists.next(i))
          add_row(floats(rows) + i * width, sum.data(), squares.data(), width);
        update(floats(p) + at, floats(m) + at, floats(v) + at, sum.data(), squares.data(), floats(*new_p) + at,
               floats(*new_m) + at, floats(*new_v) + at, each, width);
        ++row;
      }
    });
  });
}

// p, m, v [rows, columns]; inputs [batch, rows], gradients [batch, columns]: the gradient is inputs^T gradients, done in parts
// that stay in the first cache; rates [4]; arrays after these only say what must have been computed before.
ffi::Error adam_product(ffi::AnyBuffer p, ffi::AnyBuffer m, ffi::AnyBuffer v, ffi::AnyBuffer inputs,
                        ffi::AnyBuffer gradients, ffi::AnyBuffer rates, ffi::RemainingArgs,
                        ffi::Result<ffi::AnyBuffer> new_p, ffi::Result<ffi::AnyBuffer> new_m,
                        ffi::Result<ffi::AnyBuffer> new_v) {
  return guarded("adam_product", [&] {
    long rows = p.dimensions()[0], columns = p.dimensions()[1], batch = inputs.dimensions()[0];
    const float* given = floats(rates);
    AdamArrays arrays{floats(p), floats(m), floats(v), floats(*new_p), floats(*new_m), floats(*new_v), rows, columns};
    auto copy = [&](long first, long count, float* to) {
      for (long k = 0; k < batch; ++k) std::copy_n(floats(inputs) + k * rows + first, count, to + k * count);
    };
    update_by_product(arrays, {given[0], given[1], given[2], given[3]}, copy,
                      Packed(floats(gradients), batch, columns, columns, 1));
  });
}

// rows [n, width], ids [n] int32 -> [count, width]: the sum of the rows of each id; others are left out.
ffi::Error sum_rows(ffi::AnyBuffer rows, ffi::AnyBuffer ids, ffi::Result<ffi::AnyBuffer> sums) {
  return guarded("sum_rows", [&] {
    long count = sums->dimensions()[0], width = sums->dimensions()[1], n = ids.element_count();
    const int32_t* places = static_cast<const int32_t*>(ids.untyped_data());
    parallel_for(count, std::max(1L, kGrain / std::max(1L, width)), [&](long first, long last) {
      float* to = floats(*sums);
      std::fill(to + first * width, to + last * width, 0.0f);
      for (long i = 0; i < n; ++i) {
        if (places[i] < first || places[i] >= last) continue;
        const float* from = floats(rows) + i * width;
        float* sum = to + places[i] * width;
        for (long c = 0; c < width; ++c) sum[c] += from[c];
      }
    });
  });
}

}  // namespace

void update_by_product(const AdamArrays& arrays, const Rates& rates, const CopyColumns& inputs, const Packed& gradients) {
  constexpr long kRows = 8, kPart = 1 << 13;  // rows that a product does well, numbers of a part
  long rows = arrays.rows, columns = arrays.columns, batch = gradients.depth();
  long part = std::max(kRows, kPart / columns / kRows * kRows);
  parallel_chunks((rows + kRows - 1) / kRows, std::max(1L, kChunk / columns / kRows), [&](long first, long last) {
    std::vector<float> sums(part * columns), own_inputs(batch * part);
    for (long row = first * kRows, end = std::min(rows, last * kRows); row < end; row += part) {
      long here = std::min(part, end - row), at = row * columns;
      // Copied, as all of a column may lie in one set of the cache.
      inputs(row, here, own_inputs.data());
      multiply({own_inputs.data(), here, 1, here}, gradients, sums.data(), columns, {false});
      update_dense(arrays.p + at, arrays.m + at, arrays.v + at, sums.data(), arrays.new_p + at, arrays.new_m + at,
                   arrays.new_v + at, rates, here * columns);
    }
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_adam, adam,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<bool>("has_squares"));
#define PENSTOCK_SIX_ARRAYS_AND_MORE \
  Arg<ffi::AnyBuffer>()              \
      .Arg<ffi::AnyBuffer>()         \
      .Arg<ffi::AnyBuffer>()         \
      .Arg<ffi::AnyBuffer>()         \
      .Arg<ffi::AnyBuffer>()         \
      .Arg<ffi::AnyBuffer>()         \
      .RemainingArgs()               \
      .Ret<ffi::AnyBuffer>()         \
      .Ret<ffi::AnyBuffer>()         \
      .Ret<ffi::AnyBuffer>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_adam_rows, adam_rows, ffi::Ffi::Bind().PENSTOCK_SIX_ARRAYS_AND_MORE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_adam_product, adam_product, ffi::Ffi::Bind().PENSTOCK_SIX_ARRAYS_AND_MORE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_sum_rows, sum_rows,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

}  // namespace penstock
