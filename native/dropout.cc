// Dropout with a given choice of what stays, and its gradient, which is the same: XLA does one number at a time.
#include <cstdint>

#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kGrain = 1 << 14;  // fewer numbers than this are not worth another thread

PENSTOCK_VECTORIZED void scale(const uint8_t* __restrict kept, const float* __restrict x, float factor,
                               float* __restrict y, long count) {
  for (long i = 0; i < count; ++i) {
    int here = kept[i];
    float scaled = x[i] * factor;  // computed in any case, so that both can be chosen from
    y[i] = here != 0 ? scaled : 0.0f;
  }
}

// kept: bool; x, y: float32; all of one size. y = x * factor where it is kept, and 0 elsewhere.
ffi::Error scale_kept(ffi::AnyBuffer kept, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, double factor) {
  return guarded("scale_kept", [&] {
    parallel_for(static_cast<long>(x.element_count()), kGrain, [&](long first, long last) {
      scale(static_cast<const uint8_t*>(kept.untyped_data()) + first, static_cast<const float*>(x.untyped_data()) + first,
            static_cast<float>(factor), static_cast<float*>(y->untyped_data()) + first, last - first);
    });
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    penstock_scale_kept, scale_kept,
    ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().Attr<double>("factor"));

}  // namespace penstock
