// A convolution of one image, its max pool, and the dense layer that takes what the pool gives: how many networks for images end.
//
// The layer's matrix is read once, and comes from memory no faster than the convolution is computed. So a thread does both at
// a time: between the steps of the products that a block of tiles takes, it adds rows of the matrix times what the pool gave
// for the block before.
#include <algorithm>

#include "onednn.h"
#include "rows.h"
#include "vectorized.h"
#include "winograd_large.h"

namespace penstock {
namespace {

constexpr long kBlock = 8;                // tiles, of the same row of tiles
constexpr long kRows = 4, kPanels = 4;    // of a product, whose sums are in registers at a time
constexpr long kWidth = kPanels * kLanes;
constexpr long kSteps = 2;                // of the product, for each row of the layer's matrix
constexpr long kAhead = 1 << 10;          // numbers of that, from what is read to what is fetched meanwhile

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

PENSTOCK_INLINE inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
PENSTOCK_INLINE inline void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }

// Rows of the layer's matrix, one after the other, and a factor for each.
struct WeightedRows {
  const float *factors, *rows;
  long count = 0;

  // Part `i` of `parts`.
  WeightedRows part(long i, long parts, long columns) const {
    const long first = count * i / parts, last = count * (i + 1) / parts;
    return {factors + first, rows + first * columns, last - first};
  }
};

// Four rows of the product of tiles at one position, and what the rows add to `sums`; without a depth, only that.
template <long kVectors>
PENSTOCK_WIDE void multiply_and_add(const float* in, long depth, const float* filter, long outputs, float* out,
                                    const WeightedRows& weighted, float* sums) {
  Lanes product[kRows][kPanels] = {}, added[kVectors] = {};  // few terms at a time, or rounding errors would grow
  long k = 0;
  auto step = [&]() PENSTOCK_INLINE {
    Lanes weights[kPanels];
    for (long p = 0; p < kPanels; ++p) weights[p] = load(filter + k * outputs + p * kLanes);
    for (long r = 0; r < kRows; ++r)
      for (long p = 0; p < kPanels; ++p) product[r][p] += weights[p] * in[r * depth + k];
    ++k;
  };
  for (long row = 0; row < weighted.count; ++row) {
    if (k + kSteps <= depth)
      for (long s = 0; s < kSteps; ++s) step();
    const float* from = weighted.rows + row * kVectors * kLanes;
    for (long v = 0; v < kVectors; ++v) {
      __builtin_prefetch(from + v * kLanes + kAhead);
      added[v] += weighted.factors[row] * load(from + v * kLanes);
    }
  }
  while (k < depth) step();
  if (depth > 0)
    for (long r = 0; r < kRows; ++r)
      for (long p = 0; p < kPanels; ++p) store(out + r * outputs + p * kLanes, product[r][p]);
  for (long v = 0; v < kVectors; ++v) store(sums + v * kLanes, load(sums + v * kLanes) + added[v]);
}

// Adds the products of the pooled image and the matrix to `sums`, which each thread has its own of.
template <long kVectors>
void convolve_and_add(const Winograd& shape, const float* x, const float* w, const WinogradEnding& ending, const float* matrix,
                      ColumnSums& sums) {
  constexpr long kColumns = kVectors * kLanes;
  const TileGrid grid{shape};
  const long channels = shape.channels, outputs = shape.outputs, size = channels * outputs;
  const long height = shape.out_height / 2, width = shape.out_width / 2;
  const size_t filter_size = aligned(kTilePositions * size * sizeof(float));
  const size_t pooled_size = aligned(height * width * outputs * sizeof(float));
  const size_t in_size = aligned(kTilePositions * position_stride(kBlock, channels) * sizeof(float));
  const size_t out_size = aligned(kTilePositions * position_stride(kBlock, outputs) * sizeof(float));
  char* memory = working_memory(filter_size + pooled_size + (in_size + out_size) * team_size());
  float *filter = reinterpret_cast<float*>(memory), *pooled = reinterpret_cast<float*>(memory + filter_size);
  parallel_for(size / kLanes, 1 << 7, [&](long first, long last) {
    transform_large_filter(w, size, first * kLanes, last * kLanes, filter);
  });
  const long blocks_across = (grid.across + kBlock - 1) / kBlock;
  parallel_for(grid.down * blocks_across, 1, [&](long first_block, long last_block) {
    char* own = memory + filter_size + pooled_size + (in_size + out_size) * thread_number();
    float *in = reinterpret_cast<float*>(own), *out = reinterpret_cast<float*>(own + in_size), *to = sums.mine();
    WeightedRows left[2] = {};  // of the two rows of the pooled image that the block before gave
    for (long block = first_block; block < last_block; ++block) {
      const long row = block / blocks_across, column = block % blocks_across * kBlock;
      const long first = row * grid.across + column, count = std::min(kBlock, grid.across - column);
      const long fours = (count + kRows - 1) / kRows, products = fours * outputs / kWidth, calls = kTilePositions * products;
      transform_large_inputs(grid, x, first, count, in);
      for (long call = 0; call < calls; ++call) {
        const long position = call / products, four = call % products / (outputs / kWidth), n = call % (outputs / kWidth) * kWidth;
        // Where a block has fewer tiles than four, what belongs to the next position is written, and then overwritten.
        multiply_and_add<kVectors>(in + position * position_stride(count, channels) + four * kRows * channels, channels,
                                   filter + position * size + n, outputs,
                                   out + position * position_stride(count, outputs) + four * kRows * outputs + n,
                                   left[2 * call / calls].part(call % (calls / 2), calls / 2, kColumns), to);
      }
      transform_large_outputs(grid, out, ending, first, count, pooled);
      for (long i = 0; i < 2; ++i) {
        const long begin = ((2 * row + i) * width + 2 * column) * outputs;
        const long length = 2 * row + i < height ? std::min(2 * count, width - 2 * column) * outputs : 0;
        left[i] = {pooled + begin, matrix + begin * kColumns, length};
      }
    }
    for (const WeightedRows& rows : left) multiply_and_add<kVectors>(nullptr, 0, nullptr, 0, nullptr, rows, to);
  });
}

// relu(max pool(relu(x * w + bias)) matrix + layer_bias), for what `penstock_pools` says yes to. y is a vector, `output` the height
// and width before the pool, `pads` are above and to the left.
ffi::Error convolution_and_layer(ffi::AnyBuffer x, ffi::AnyBuffer w, ffi::AnyBuffer bias, ffi::AnyBuffer matrix,
                                 ffi::AnyBuffer layer_bias, ffi::Result<ffi::AnyBuffer> y, Numbers pads, Numbers output,
                                 bool relu, bool layer_relu) {
  return guarded("convolution_and_layer", [&] {
    auto floats = [](const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); };
    auto from = x.dimensions();
    const Winograd shape{from[0], from[1], from[2], from[3], w.dimensions()[3], pads[0], pads[1], output[0], output[1]};
    const long columns = matrix.dimensions()[1];
    if (!shape.suits_layer(columns)) throw std::invalid_argument("no kernel computes this convolution and the layer behind it");
    ColumnSums sums(columns);
    const WinogradEnding ending{floats(bias), relu, nullptr, true};
    switch (columns / kLanes) {
      case 2: convolve_and_add<2>(shape, floats(x), floats(w), ending, floats(matrix), sums); break;
      case 4: convolve_and_add<4>(shape, floats(x), floats(w), ending, floats(matrix), sums); break;
      default: convolve_and_add<8>(shape, floats(x), floats(w), ending, floats(matrix), sums);
    }
    float* to = floats(*y);
    sums.write(to);
    for (long c = 0; c < columns; ++c) {
      to[c] += floats(layer_bias)[c];
      if (layer_relu) to[c] = to[c] < 0.0f ? 0.0f : to[c];  // NaN stays
    }
  });
}

}  // namespace

bool Winograd::suits_layer(int64_t columns) const {
  return batch == 1 && suits_large_tiles() && outputs % kWidth == 0 && (columns == 32 || columns == 64 || columns == 128);
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_convolution_and_layer, convolution_and_layer,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("pads")
                                  .Attr<Numbers>("output")
                                  .Attr<bool>("relu")
                                  .Attr<bool>("layer_relu"));

}  // namespace penstock
