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

  // `first ? one : other`, so that loops become vector instructions.
  static inline PENSTOCK_INLINE Half either(bool first, Half one, Half other) {
    Half chosen;
    chosen.bits_ = first ? one.bits_ : other.bits_;
    return chosen;
  }

 private:
  uint16_t bits_;
};

inline PENSTOCK_INLINE Half either(bool first, Half one, Half other) { return Half::either(first, one, other); }
inline PENSTOCK_INLINE float either(bool first, float one, float other) { return first ? one : other; }

void widen(const Half* from, float* to, long count);
void narrow(const float* from, Half* to, long count);

}  // namespace penstock
