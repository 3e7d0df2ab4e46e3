// Winograd's algorithm F(4x4, 3x3): tiles of 4 by 4 outputs, each from the 6 by 6 inputs under it, with a quarter of the
// multiplications that the definition has. For the convolution itself, and the gradient of its input, which is one too.
//
// What multiplies a tile's numbers are powers of the points 0, a, -a, b, -b; a = 3/4 and b = 3/2 are exact in binary, and
// as the numbers stay close to 1, rounding errors stay close to those of the sum that defines a convolution: twice as
// large on average. The usual 1 and 2 make them four times as large. (Barabasz and others, "Error analysis and improving
// the accuracy of Winograd convolution for deep neural networks", 2020.)
#include "winograd_large.h"

#include <algorithm>
#include <vector>

#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kOutputs = kTileOutputs, kInputs = kTileInputs, kPositions = kTilePositions;
constexpr long kBlockBytes = 768 << 10;       // of transformed tiles, which stay in the second-level cache
constexpr long kChunk = 4, kChunks = 32;      // blocks that a thread takes at a time, at most; of few, so that there are as many parts
constexpr long kMostFilterNumbers = 1 << 13;  // so does the transformed filter

constexpr float kA = 0.75f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB, kA3 = kA * kA2, kB3 = kB * kB2;

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

PENSTOCK_INLINE inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
PENSTOCK_INLINE inline void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }

// One dimension of B^T d B.
PENSTOCK_INLINE inline void spread_inputs(const Lanes (&d)[kInputs], Lanes (&to)[kInputs]) {
  Lanes even_a = d[4] - kB2 * d[2], odd_a = kA * (d[3] - kB2 * d[1]);
  Lanes even_b = d[4] - kA2 * d[2], odd_b = kB * (d[3] - kA2 * d[1]);
  to[0] = kA2 * kB2 * d[0] - (kA2 + kB2) * d[2] + d[4];
  to[1] = even_a + odd_a, to[2] = even_a - odd_a;
  to[3] = even_b + odd_b, to[4] = even_b - odd_b;
  to[5] = kA2 * kB2 * d[1] - (kA2 + kB2) * d[3] + d[5];
}

// One dimension of A^T m A.
PENSTOCK_INLINE inline void gather_outputs(const Lanes (&m)[kInputs], Lanes (&to)[kOutputs]) {
  Lanes even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  to[0] = m[0] + even_a + even_b;
  to[1] = kA * odd_a + kB * odd_b;
  to[2] = kA2 * even_a + kB2 * even_b;
  to[3] = kA3 * odd_a + kB3 * odd_b + m[5];
}

// One dimension of G w G^T.
PENSTOCK_INLINE inline void spread_taps(Lanes w0, Lanes w1, Lanes w2, Lanes (&to)[kInputs]) {
  constexpr float kOfA = 1 / (2 * kA2 * (kA2 - kB2)), kOfB = 1 / (2 * kB2 * (kB2 - kA2));
  Lanes even_a = kOfA * (w0 + kA2 * w2), odd_a = kOfA * kA * w1;
  Lanes even_b = kOfB * (w0 + kB2 * w2), odd_b = kOfB * kB * w1;
  to[0] = w0 * (1 / (kA2 * kB2));
  to[1] = even_a + odd_a, to[2] = even_a - odd_a;
  to[3] = even_b + odd_b, to[4] = even_b - odd_b;
  to[5] = w2;
}

// A filter [3, 3, channels, outputs] turned by half a turn, with channels and outputs exchanged.
std::vector<float> turn(const float* w, long channels, long outputs) {
  std::vector<float> turned(9 * channels * outputs);
  for (long tap = 0; tap < 9; ++tap)
    for (long c = 0; c < channels; ++c)
      for (long o = 0; o < outputs; ++o)
        turned[((8 - tap) * outputs + o) * channels + c] = w[(tap * channels + c) * outputs + o];
  return turned;
}

PENSTOCK_WIDE inline Lanes larger(Lanes a, Lanes b) { return (a > b) | (a != a) ? a : b; }  // or NaN

}  // namespace

PENSTOCK_WIDE void transform_large_filter(const float* w, long size, long first, long last, float* to) {
  for (long at = first; at < last; at += kLanes) {
    Lanes rows[3][kInputs], full[kInputs];
    for (long j = 0; j < 3; ++j)
      spread_taps(load(w + j * size + at), load(w + (3 + j) * size + at), load(w + (6 + j) * size + at), rows[j]);
    for (long a = 0; a < kInputs; ++a) {
      spread_taps(rows[0][a], rows[1][a], rows[2][a], full);
      for (long b = 0; b < kInputs; ++b) store(to + (kInputs * a + b) * size + at, full[b]);
    }
  }
}

PENSTOCK_WIDE void transform_large_inputs(const TileGrid& grid, const float* x, long first, long count, float* to) {
  const Winograd& shape = grid.shape;
  const long channels = shape.channels, line = shape.width * channels, stride = position_stride(count, channels);
  for (long t = 0; t < count; ++t) {
    long row = kOutputs * grid.row(first + t) - shape.pad_top, column = kOutputs * grid.column(first + t) - shape.pad_left;
    const float* corner = x + (grid.image(first + t) * shape.height + row) * line + column * channels;
    bool inside = row >= 0 && column >= 0 && row + kInputs <= shape.height && column + kInputs <= shape.width;
    for (long c = 0; c < channels; c += kLanes) {
      Lanes half[kInputs][kInputs];  // [column][row]
      for (long b = 0; b < kInputs; ++b) {
        Lanes d[kInputs];
        for (long a = 0; a < kInputs; ++a) {
          bool in = inside || (row + a >= 0 && column + b >= 0 && row + a < shape.height && column + b < shape.width);
          d[a] = in ? load(corner + a * line + b * channels + c) : Lanes{};
        }
        spread_inputs(d, half[b]);
      }
      float* at = to + t * channels + c;
      for (long a = 0; a < kInputs; ++a) {
        Lanes along[kInputs], full[kInputs];
        for (long b = 0; b < kInputs; ++b) along[b] = half[b][a];
        spread_inputs(along, full);
        for (long b = 0; b < kInputs; ++b) store(at + (kInputs * a + b) * stride, full[b]);
      }
    }
  }
}

PENSTOCK_WIDE void transform_large_outputs(const TileGrid& grid, const float* from, const WinogradEnding& ending, long first,
                                           long count, float* y) {
  const Winograd& shape = grid.shape;
  const long channels = shape.outputs, stride = position_stride(count, channels), size = ending.pool ? 2 : 1;
  const long height = shape.out_height / size, width = shape.out_width / size, written = kOutputs / size;
  for (long t = 0; t < count; ++t) {
    const long row = grid.row(first + t) * written, column = grid.column(first + t) * written;
    const long begin = ((grid.image(first + t) * height + row) * width + column) * channels;
    float* corner = y + begin;
    const float* features = ending.features == nullptr ? nullptr : ending.features + begin;
    for (long c = 0; c < channels; c += kLanes) {
      const float* at = from + t * channels + c;
      Lanes half[kInputs][kOutputs], tile[kOutputs][kOutputs];
      for (long b = 0; b < kInputs; ++b) {
        Lanes m[kInputs];
        for (long a = 0; a < kInputs; ++a) m[a] = load(at + (kInputs * a + b) * stride);
        gather_outputs(m, half[b]);
      }
      const Lanes added = ending.bias == nullptr ? Lanes{} : load(ending.bias + c);
      for (long a = 0; a < kOutputs; ++a) {
        Lanes along[kInputs];
        for (long b = 0; b < kInputs; ++b) along[b] = half[b][a];
        gather_outputs(along, tile[a]);
        for (Lanes& each : tile[a]) {
          each += added;
          if (ending.relu) each = each < 0.0f ? Lanes{} : each;  // NaN stays
        }
      }
      if (ending.pool)
        for (long a = 0; a < written; ++a)
          for (long b = 0; b < written; ++b)
            tile[a][b] = larger(larger(tile[2 * a][2 * b], tile[2 * a][2 * b + 1]),
                                larger(tile[2 * a + 1][2 * b], tile[2 * a + 1][2 * b + 1]));
      for (long a = 0; a < std::min(written, height - row); ++a)
        for (long b = 0; b < std::min(written, width - column); ++b) {
          const long place = (a * width + b) * channels + c;
          if (features != nullptr) tile[a][b] = load(features + place) > 0.0f ? tile[a][b] : Lanes{};
          store(corner + place, tile[a][b]);
        }
    }
  }
}

bool Winograd::suits_large_tiles() const {
  if (!suits() || channels * outputs > kMostFilterNumbers) return false;
  auto tiles = [&](int64_t size) { return ((out_height + size - 1) / size) * ((out_width + size - 1) / size); };
  return kPositions * tiles(kOutputs) < 12 * tiles(2);  // small tiles have 16 products, and simpler transforms
}

void winograd_with_large_tiles(const Winograd& shape, const float* x, const float* w, bool turned,
                               const WinogradEnding& ending, float* y) {
  const TileGrid grid{shape};
  const long size = shape.channels * shape.outputs;
  const long block = std::max(6L, kBlockBytes / static_cast<long>((shape.channels + shape.outputs) * kPositions * sizeof(float)) / 6 * 6);
  const size_t filter_size = aligned(kPositions * size * sizeof(float));
  const size_t in_size = aligned(kPositions * position_stride(block, shape.channels) * sizeof(float));
  const size_t out_size = aligned(kPositions * position_stride(block, shape.outputs) * sizeof(float));
  char* memory = working_memory(filter_size + (in_size + out_size) * team_size());
  float* filter = reinterpret_cast<float*>(memory);
  std::vector<float> turned_filter;
  if (turned) {
    turned_filter = turn(w, shape.outputs, shape.channels);
    w = turned_filter.data();
  }
  parallel_for(size / kLanes, 1 << 7, [&](long first, long last) {
    transform_large_filter(w, size, first * kLanes, last * kLanes, filter);
  });
  std::vector<long> in_rows, out_rows;
  for (long t = 0; t < block; ++t) in_rows.push_back(t * shape.channels), out_rows.push_back(t * shape.outputs);
  const long blocks = (grid.count() + block - 1) / block;
  parallel_chunks(blocks, std::clamp<long>(blocks / kChunks, 1, kChunk), [&](long first_block, long last_block) {
    char* own = memory + filter_size + (in_size + out_size) * thread_number();
    float *v = reinterpret_cast<float*>(own), *m = reinterpret_cast<float*>(own + in_size);
    for (long at = first_block * block; at < std::min(grid.count(), last_block * block); at += block) {
      const long count = std::min(block, grid.count() - at);
      transform_large_inputs(grid, x, at, count, v);
      for (long position = 0; position < kPositions; ++position)
        multiply({v + position * position_stride(count, shape.channels), in_rows.data(), count,
                  {1, 0, 1, 0, static_cast<long>(shape.channels), 1}},
                 {filter + position * size, static_cast<long>(shape.outputs) / kLanes, static_cast<long>(shape.outputs), kLanes},
                 {m + position * position_stride(count, shape.outputs), out_rows.data(), false, nullptr});
      transform_large_outputs(grid, m, ending, at, count, y);
    }
  });
}

}  // namespace penstock
