// Convolution with 3 by 3 filters by Winograd's algorithm: 2.25 times fewer multiplications than the definition has, or 4.
#pragma once

#include <cstdint>

namespace penstock {

// A convolution of images [batch, height, width, channels] with filters [3, 3, channels, outputs], stride 1.
struct Winograd {
  int64_t batch, height, width, channels, outputs;
  int64_t pad_top, pad_left;
  int64_t out_height, out_width;

  // Whether the kernels take this, and are faster than the definition.
  bool suits() const;
  // Whether tiles of 4 by 4 outputs are faster for the convolution itself.
  bool suits_large_tiles() const;
};

// The functions below run on the team; the caller holds a `Turn`. `bias` may be
// null, and `features` too: the gradient is 0 where these are not positive.
void winograd_forward(const Winograd& shape, const float* x, const float* w, const float* bias, bool relu, float* y);
void winograd_input_gradient(const Winograd& shape, const float* w, const float* dy, const float* features, float* dx);
void winograd_filter_gradient(const Winograd& shape, const float* x, const float* dy, float* dw);

// For what `suits_large_tiles`. With `pool`, y is the max pool over windows of 2 by 2.
void winograd_with_large_tiles(const Winograd& shape, const float* x, const float* w, const float* bias, bool relu,
                               bool pool, float* y);

}  // namespace penstock
