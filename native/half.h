// bfloat16: the upper half of a float. Kernels compute in float32, and widen what they read and round what they write.
#pragma once

#include <cstdint>

#include "vectorized.h"

namespace penstock {

class Half {
 public:
  Half() = default;

  // To the nearest, ties to even; NaN stays NaN.
  inline PENSTOCK_INLINE explicit Half(float value) {
    uint32_t bits = __builtin_bit_cast(uint32_t, value);
    uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    bits_ = static_cast<uint16_t>(value == value ? rounded : (bits >> 16) | 0x40);
  }

  inline PENSTOCK_INLINE operator float() const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits_) << 16);
  }

 private:
  uint16_t bits_;
};

void widen(const Half* from, float* to, long count);
void narrow(const float* from, Half* to, long count);

}  // namespace penstock
