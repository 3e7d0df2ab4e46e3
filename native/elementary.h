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

// The same in double precision, for x <= 0: Taylor's series, whose rest is 4e-18 where |r| is at most log(2) / 2.
inline PENSTOCK_INLINE double exponential_of_negative(double x) {
  x = x < -708.0 ? -708.0 : x;
  double n = __builtin_floor(x * 1.4426950408889634 + 0.5);
  double r = x - n * 6.93145751953125e-1 - n * 1.42860682030941723212e-6;
  double p = 1.0;
  for (int k = 13; k >= 1; --k) p = p * r * (1.0 / k) + 1.0;
  return p * __builtin_bit_cast(double, (static_cast<int64_t>(n) + 1023) << 52);
}

// 1 / x for x between 1 and 2e38, to about 1e-7. Subtracting the bits, exponents too, is right to 5 %, and each of Newton's
// steps squares the error; all of them together take a third of a division's time.
inline PENSTOCK_INLINE float reciprocal(float x) {
  float r = __builtin_bit_cast(float, 0x7EF311C3 - __builtin_bit_cast(int32_t, x));
  r += r * (1.0f - x * r);
  r += r * (1.0f - x * r);
  return r + r * (1.0f - x * r);
}

inline PENSTOCK_INLINE float sigmoid(float x) { return reciprocal(1.0f + exponential(-x)); }
inline PENSTOCK_INLINE float hyperbolic_tangent(float x) { return 1.0f - 2.0f * reciprocal(1.0f + exponential(2.0f * x)); }

// The error function to about 3e-7, as an odd polynomial over an even one; beyond 4 it is 1.
inline PENSTOCK_INLINE float error_function(float x) {
  x = x > 4.0f ? 4.0f : x;
  x = x < -4.0f ? -4.0f : x;
  float s = x * x;
  float p = -2.72614225801306e-10f;
  p = p * s + 2.77068142495902e-08f;
  p = p * s - 2.10102402082508e-06f;
  p = p * s - 5.69250639462346e-05f;
  p = p * s - 7.34990630326855e-04f;
  p = p * s - 2.95459980854025e-03f;
  p = p * s - 1.60960333262415e-02f;
  float q = -1.45660718464996e-05f;
  q = q * s - 2.13374055278905e-04f;
  q = q * s - 1.68282697438203e-03f;
  q = q * s - 7.37332916720468e-03f;
  q = q * s - 1.42647390514189e-02f;
  return x * p / q;
}

}  // namespace penstock
