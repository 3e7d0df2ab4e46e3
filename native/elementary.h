// Elementary functions without branches, so that loops over them become vector instructions.
#pragma once

#include <cstdint>

#include "vectorized.h"

namespace penstock {

// e^x to about 1e-7, as 2^n times a polynomial.
inline PENSTOCK_INLINE float exponential(float x) {
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  float n = __builtin_floorf(x * 1.44269504f + 0.5f);
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * __builtin_bit_cast(float, (static_cast<int32_t>(n) + 127) << 23);
}

inline PENSTOCK_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }
inline PENSTOCK_INLINE float hyperbolic_tangent(float x) { return 1.0f - 2.0f / (1.0f + exponential(2.0f * x)); }

}  // namespace penstock
