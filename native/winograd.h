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
  // Whether a kernel computes the max pool over 2 by 2 and a dense layer with so many outputs too.
  bool suits_layer(int64_t columns) const;
};

// What happens to a result before it is written.
struct WinogradEnding {
  const float* bias = nullptr;  // added to it, unless null
  bool relu = false;
  const float* features = nullptr;  // like the result: where they are not positive, it is 0; unless null
  bool pool = false;  // the largest of 2 by 2 is written; for what `suits_large_tiles`, and without features
};

// The functions below run on the team; the caller holds a `Turn`. The result may be in tiles of either size.
void winograd_forward(const Winograd& shape, const float* x, const float* w, const WinogradEnding& ending, float* y);
void winograd_input_gradient(const Winograd& shape, const float* w, const float* dy, const float* features, float* dx);
// `db`: the sums of dy, unless null.
void winograd_filter_gradient(const Winograd& shape, const float* x, const float* dy, float* dw, float* db);

// For what `suits_large_tiles`: the same as `winograd_forward`; with `turned`, w is [3, 3, outputs, channels], and turned by half
// a turn, as gradients of inputs take it.
void winograd_with_large_tiles(const Winograd& shape, const float* x, const float* w, bool turned,
                               const WinogradEnding& ending, float* y);

}  // namespace penstock
