// Hue and saturation of images of float32 [..., 3], for the host: input pipelines adjust them. The arithmetic is that of the
// NumPy kernels, operation by operation, so that both give the same numbers.
#include <algorithm>
#include <cmath>

#include "vectorized.h"

// A multiplication and an addition stay two roundings, as in NumPy, also where the processor could do both in one.
#pragma GCC optimize("fp-contract=off")

namespace penstock {
namespace {

constexpr long kBlock = 256;  // pixels whose channels are worked on as arrays

// As NumPy's: what is not a number stays so.
PENSTOCK_INLINE inline float larger(float a, float b) { return a >= b || a != a ? a : b; }
PENSTOCK_INLINE inline float smaller(float a, float b) { return a <= b || a != a ? a : b; }
PENSTOCK_INLINE inline float clipped(float x) { return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x; }

// `amount` is what hues are turned by, or what saturations are multiplied by.
template <bool kHue>
PENSTOCK_INLINE inline void adjust(const float* pixels, long count, float amount, float* out) {
  float red[kBlock], green[kBlock], blue[kBlock];
  for (long start = 0; start < count; start += kBlock, pixels += 3 * kBlock, out += 3 * kBlock) {
    const long size = std::min(kBlock, count - start);
    for (long i = 0; i < size; ++i) {
      red[i] = pixels[3 * i];
      green[i] = pixels[3 * i + 1];
      blue[i] = pixels[3 * i + 2];
    }
    for (long i = 0; i < size; ++i) {
      const float r = red[i], g = green[i], b = blue[i];
      const float value = larger(larger(r, g), b), spread = value - smaller(smaller(r, g), b);
      float saturation = value > 0.0f ? spread / (value > 0.0f ? value : 1.0f) : 0.0f;
      const float norm = 1.0f / (6.0f * (spread > 0.0f ? spread : 1.0f));
      const float of_red = norm * (g - b);
      const float of_green = norm * (b - r) + static_cast<float>(2.0 / 6);
      const float of_blue = norm * (r - g) + static_cast<float>(4.0 / 6);
      float hue = r == value ? of_red : g == value ? of_green : of_blue;
      hue = spread > 0.0f ? hue : 0.0f;
      hue = hue < 0.0f ? hue + 1.0f : hue;
      if (kHue) {
        const float turned = hue + amount;
        hue = turned - std::floor(turned);
      } else {
        saturation = clipped(saturation * amount);
      }
      const float angle = hue * 6.0f, white = 1.0f - saturation;
      red[i] = (white + saturation * clipped(std::fabs(angle - 3.0f) - 1.0f)) * value;
      green[i] = (white + saturation * clipped(2.0f - std::fabs(angle - 2.0f))) * value;
      blue[i] = (white + saturation * clipped(2.0f - std::fabs(angle - 4.0f))) * value;
    }
    for (long i = 0; i < size; ++i) {
      out[3 * i] = red[i];
      out[3 * i + 1] = green[i];
      out[3 * i + 2] = blue[i];
    }
  }
}

PENSTOCK_VECTORIZED
void adjust_hue(const float* pixels, long count, float delta, float* out) { adjust<true>(pixels, count, delta, out); }

PENSTOCK_VECTORIZED
void adjust_saturation(const float* pixels, long count, float factor, float* out) {
  adjust<false>(pixels, count, factor, out);
}

}  // namespace
}  // namespace penstock

extern "C" void penstock_adjust_hue(const float* pixels, long count, float delta, float* out) {
  penstock::adjust_hue(pixels, count, delta, out);
}

extern "C" void penstock_adjust_saturation(const float* pixels, long count, float factor, float* out) {
  penstock::adjust_saturation(pixels, count, factor, out);
}
