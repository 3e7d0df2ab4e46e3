// Conversions of arrays between bfloat16 and float32.
#include "half.h"

namespace penstock {

PENSTOCK_VECTORIZED void widen(const Half* __restrict from, float* __restrict to, long count) {
  for (long i = 0; i < count; ++i) to[i] = from[i];
}

PENSTOCK_VECTORIZED void narrow(const float* __restrict from, Half* __restrict to, long count) {
  for (long i = 0; i < count; ++i) to[i] = Half(from[i]);
}

}  // namespace penstock
