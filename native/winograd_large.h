// The parts of Winograd's algorithm F(4x4, 3x3), for kernels that multiply transformed tiles in ways of their own. For AVX-512.
#pragma once

#include "gathered.h"
#include "winograd.h"

namespace penstock {

constexpr long kTileOutputs = 4;  // in each dimension
constexpr long kTileInputs = 6;
constexpr long kTilePositions = kTileInputs * kTileInputs;

// How tiles lie in the images: down and across, image after image.
struct TileGrid {
  const Winograd& shape;
  long down = (shape.out_height + kTileOutputs - 1) / kTileOutputs, across = (shape.out_width + kTileOutputs - 1) / kTileOutputs;

  long count() const { return shape.batch * down * across; }
  long image(long tile) const { return tile / (down * across); }
  long row(long tile) const { return tile / across % down; }
  long column(long tile) const { return tile % across; }
};

// From one position of `tiles` tiles to the next. One cache line more than the tiles take, or all positions of a tile might lie
// in the same few lines of the first-level cache.
inline long position_stride(long tiles, long channels) { return tiles * channels + kLanes; }

// G w G^T for numbers [first, last) of the filter [3, 3, channels * outputs], as to[position][number].
void transform_large_filter(const float* w, long size, long first, long last, float* to);

// B^T d B for tiles from `first` on: to[position][tile][channel].
void transform_large_inputs(const TileGrid& grid, const float* x, long first, long count, float* to);

// A^T m A for the same, and the ending; y is all of the result.
void transform_large_outputs(const TileGrid& grid, const float* from, const WinogradEnding& ending, long first, long count, float* y);

}  // namespace penstock
