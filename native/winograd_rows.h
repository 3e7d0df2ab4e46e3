// Winograd's algorithm F(4, 3) along the rows of small images: half the multiplications of filters that are 3 wide.
#pragma once

#include <vector>

#include "packed.h"

namespace penstock {

// A convolution of images [height, width, channels] with filters [rows, 3, channels, outputs], on images that are in cache
// and on the calling thread. Channels and outputs are multiples of 16; stride and dilation are those of the height.
class WinogradRows {
 public:
  struct Shape {
    long height, width, channels, out_height, out_width, outputs, rows, stride, dilation, top, left;
  };

  // `images`: how many there are, of which `group()` go through at a time.
  WinogradRows(const Shape& shape, long images);

  // Whether the algorithm takes less time than the definition, for so many images.
  static bool suits(const Shape& shape, long images);

  long group() const { return group_; }

  // In numbers: the transformed filter (and its gradient), and the working memory of a thread.
  long filter() const { return kPositions * taps(); }
  long forward_memory() const { return kPositions * (inputs() + results()); }
  long gradient_memory() const { return kPositions * (2 * inputs() + results()); }

  void spread_filter(const float* w, float* to) const;
  void gather_filter(const float* from, float* dw) const;
  // The transformed filter with channels and outputs exchanged, for the gradient of images.
  std::vector<Packed> transposed(const float* filter) const;

  // relu(x * w + bias) of some images; without bias where it is null.
  void forward(const float* x, long count, const float* filter, const float* bias, bool relu, float* working,
               float* y) const;

  // The gradient of the transformed filter, added to what is there with `add`; and that of the images, unless dx is null.
  void gradients(const float* x, const float* dy, long count, const std::vector<Packed>& transposed, bool add,
                 float* working, float* filter_gradient, float* dx) const;

 private:
  static constexpr long kPositions = 6;  // in a transformed tile

  long taps() const { return shape_.rows * shape_.channels * shape_.outputs; }
  // Numbers at one position, of a group's images and of its results.
  long inputs() const { return group_ * padded_height_ * tiles_ * shape_.channels; }
  long results() const { return group_ * shape_.out_height * tiles_ * shape_.outputs; }

  void spread_inputs(const float* x, long count, float* to) const;
  void gather_outputs(const float* from, long count, const float* bias, bool relu, float* y) const;
  void spread_gradients(const float* dy, long count, float* to) const;
  void gather_input_gradients(const float* from, long count, float* dx) const;

  Shape shape_;
  long tiles_;          // in a row
  long padded_height_;  // rows that the filter runs over
  long group_;
  // Where the rows of products begin: for each tile of results, its inputs, itself, and its inputs' gradients; for each
  // channel, its inputs, and its rows of the filter.
  std::vector<long> tile_inputs_, tile_results_, channel_inputs_, channel_rows_;
};

}  // namespace penstock
