// Adam's update of one variable in one pass (XLA does three, which read and write every array more often), and the sum of
// rows that a sparse gradient needs before.
//
// The results take the place of the arrays that they update where XLA finds that nothing else reads those.
#include <algorithm>

#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

// Fewer numbers than this are not worth another thread.
constexpr long kGrain = 1 << 14;

struct Rates {
  float first, second, step, epsilon;
};

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
    Turn turn;
    parallel_for(static_cast<long>(p.element_count()), kGrain, [&](long first, long last) {
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

// rows [n, width], ids [n] int32 -> [count, width]: the sum of the rows of each id; others are left out.
ffi::Error sum_rows(ffi::AnyBuffer rows, ffi::AnyBuffer ids, ffi::Result<ffi::AnyBuffer> sums) {
  return guarded("sum_rows", [&] {
    long count = sums->dimensions()[0], width = sums->dimensions()[1], n = ids.element_count();
    const int32_t* places = static_cast<const int32_t*>(ids.untyped_data());
    Turn turn;
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
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_sum_rows, sum_rows,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

}  // namespace penstock
