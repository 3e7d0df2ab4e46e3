// Four neighbouring results y of a row come from the six inputs d over them and the three taps w of a filter's row:
//   y = A^T [(G w) * (B^T d)]
// where * multiplies elements. Over all channels, these are products of matrices for each of the six positions; the
// gradients are the transposed steps. The algorithm evaluates polynomials at 0, +-sqrt(1/2), +-sqrt(2) and infinity:
// rounding errors are then less than twice those of the sum that defines a convolution (more with the usual +-1 and +-2).
#include "winograd_rows.h"

#include <algorithm>
#include <cstring>

#include "gathered.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kTile = 4, kInputs = 6;  // results of a tile, and what they come from
constexpr long kGroupTiles = 96;        // so many make up for fetching the filter, or for transforming it
constexpr long kMostTerms = 96;         // of a product, whose rows of the filter stay in the first-level cache
constexpr float kP = 0.70710678f, kQ = 1.41421356f;

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline PENSTOCK_INLINE PENSTOCK_WIDE Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
inline PENSTOCK_INLINE PENSTOCK_WIDE void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }

// The pixels [first, first + kCount) of a row at 16 channels; 0 outside of [0, width).
template <int kCount>
inline PENSTOCK_INLINE PENSTOCK_WIDE void read(const float* row, long first, long width, long channels,
                                               Lanes (&to)[kCount]) {
  const bool whole = first >= 0 && first + kCount <= width;
  for (int j = 0; j < kCount; ++j)
    to[j] = whole || (first + j >= 0 && first + j < width) ? load(row + (first + j) * channels) : Lanes{};
}

// B^T d of a row of pixels: position q of tile t goes to `to[q * stride + t * channels]`.
PENSTOCK_WIDE void spread_row(const float* row, long width, long channels, long left, long tiles, long stride, float* to) {
  for (long t = 0; t < tiles; ++t)
    for (long c = 0; c < channels; c += kLanes) {
      Lanes d[kInputs];
      read(row + c, kTile * t - left, width, channels, d);
      float* at = to + t * channels + c;
      const Lanes even = d[4] - 2 * d[2], odd = kP * d[3] - kQ * d[1];
      const Lanes wide_even = d[4] - 0.5f * d[2], wide_odd = kQ * d[3] - kP * d[1];
      store(at, d[0] - 2.5f * d[2] + d[4]);
      store(at + stride, even + odd);
      store(at + 2 * stride, even - odd);
      store(at + 3 * stride, wide_even + wide_odd);
      store(at + 4 * stride, wide_even - wide_odd);
      store(at + 5 * stride, d[1] - 2.5f * d[3] + d[5]);
    }
}

// A dy of a row of results' gradients.
PENSTOCK_WIDE void spread_gradient_row(const float* row, long width, long channels, long tiles, long stride, float* to) {
  for (long t = 0; t < tiles; ++t)
    for (long c = 0; c < channels; c += kLanes) {
      Lanes d[kTile];
      read(row + c, kTile * t, width, channels, d);
      float* at = to + t * channels + c;
      const Lanes even = d[0] + 0.5f * d[2], odd = kP * d[1] + 0.5f * kP * d[3];
      const Lanes wide_even = d[0] + 2 * d[2], wide_odd = kQ * d[1] + 2 * kQ * d[3];
      store(at, d[0]);
      store(at + stride, even + odd);
      store(at + 2 * stride, even - odd);
      store(at + 3 * stride, wide_even + wide_odd);
      store(at + 4 * stride, wide_even - wide_odd);
      store(at + 5 * stride, d[3]);
    }
}

// A^T m of a row, with what comes after a convolution.
PENSTOCK_WIDE void gather_row(const float* from, long stride, long width, long channels, long tiles, const float* bias,
                              bool relu, float* row) {
  for (long t = 0; t < tiles; ++t)
    for (long c = 0; c < channels; c += kLanes) {
      const float* at = from + t * channels + c;
      const Lanes m1 = load(at + stride), m2 = load(at + 2 * stride), m3 = load(at + 3 * stride), m4 = load(at + 4 * stride);
      const Lanes even = m1 + m2, odd = m1 - m2, wide_even = m3 + m4, wide_odd = m3 - m4;
      const Lanes added = bias == nullptr ? Lanes{} : load(bias + c);
      const Lanes y[kTile] = {load(at) + even + wide_even + added, kP * odd + kQ * wide_odd + added,
                              0.5f * even + 2 * wide_even + added,
                              0.5f * kP * odd + 2 * kQ * wide_odd + load(at + 5 * stride) + added};
      const long here = std::min(kTile, width - kTile * t);
      for (long j = 0; j < here; ++j)
        store(row + (kTile * t + j) * channels + c, relu ? (y[j] < 0.0f ? Lanes{} : y[j]) : y[j]);  // NaN stays
    }
}

// B m of a row: neighbouring tiles have two pixels in common. The row is 0 before.
PENSTOCK_WIDE void gather_input_row(const float* from, long stride, long width, long channels, long left, long tiles,
                                    float* row) {
  for (long t = 0; t < tiles; ++t)
    for (long c = 0; c < channels; c += kLanes) {
      const float* at = from + t * channels + c;
      const Lanes m0 = load(at), m1 = load(at + stride), m2 = load(at + 2 * stride), m3 = load(at + 3 * stride),
                  m4 = load(at + 4 * stride), m5 = load(at + 5 * stride);
      const Lanes even = m1 + m2, odd = m1 - m2, wide_even = m3 + m4, wide_odd = m3 - m4;
      const Lanes d[kInputs] = {m0,
                                m5 - kQ * odd - kP * wide_odd,
                                -2.5f * m0 - 2 * even - 0.5f * wide_even,
                                kP * odd + kQ * wide_odd - 2.5f * m5,
                                m0 + even + wide_even,
                                m5};
      for (int j = 0; j < kInputs; ++j) {
        const long w = kTile * t + j - left;
        if (w < 0 || w >= width) continue;
        float* to = row + w * channels + c;
        store(to, j < kInputs - kTile ? load(to) + d[j] : d[j]);
      }
    }
}

// G w of one row of a filter: taps are `size` numbers apart, positions `stride`.
PENSTOCK_WIDE void spread_taps(const float* w, long size, long stride, float* to) {
  for (long i = 0; i < size; i += kLanes) {
    const Lanes w0 = load(w + i), w1 = load(w + size + i), w2 = load(w + 2 * size + i);
    const Lanes even = (w0 + 0.5f * w2) * (-2 / 3.0f), odd = w1 * (-2 / 3.0f * kP);
    const Lanes wide_even = (w0 + 2 * w2) * (1 / 6.0f), wide_odd = w1 * (1 / 6.0f * kQ);
    store(to + i, w0);
    store(to + stride + i, even + odd);
    store(to + 2 * stride + i, even - odd);
    store(to + 3 * stride + i, wide_even + wide_odd);
    store(to + 4 * stride + i, wide_even - wide_odd);
    store(to + 5 * stride + i, w2);
  }
}

// G^T s of one row of a filter.
PENSTOCK_WIDE void gather_taps(const float* from, long stride, long size, float* w) {
  for (long i = 0; i < size; i += kLanes) {
    const float* at = from + i;
    const Lanes s1 = load(at + stride), s2 = load(at + 2 * stride), s3 = load(at + 3 * stride), s4 = load(at + 4 * stride);
    const Lanes even = (s1 + s2) * (-2 / 3.0f), wide_even = (s3 + s4) * (1 / 6.0f);
    store(w + i, load(at) + even + wide_even);
    store(w + size + i, (s1 - s2) * (-2 / 3.0f * kP) + (s3 - s4) * (1 / 6.0f * kQ));
    store(w + 2 * size + i, 0.5f * even + 2 * wide_even + load(at + 5 * stride));
  }
}

}  // namespace

WinogradRows::WinogradRows(const Shape& shape, long images)
    : shape_(shape),
      tiles_((shape.out_width + kTile - 1) / kTile),
      padded_height_((shape.out_height - 1) * shape.stride + (shape.rows - 1) * shape.dilation + 1) {
  const long of_image = shape.out_height * tiles_;
  group_ = std::clamp((kGroupTiles + of_image - 1) / of_image, 1L, std::max(1L, images / 4));
  for (long n = 0; n < group_; ++n)
    for (long a = 0; a < shape.out_height; ++a)
      for (long t = 0; t < tiles_; ++t)
        tile_inputs_.push_back(((n * padded_height_ + a * shape.stride) * tiles_ + t) * shape.channels);
  for (size_t i = 0; i < tile_inputs_.size(); ++i) tile_results_.push_back(i * shape.outputs);
  for (long c = 0; c < shape.channels; ++c) {
    channel_inputs_.push_back(c);
    channel_rows_.push_back(c * shape.outputs);
  }
}

bool WinogradRows::suits(const Shape& shape, long images) {
  constexpr long kLeast = 2 * kLanes;  // channels; with fewer the transforms take more time than is saved
  const long tiles = (shape.out_width + kTile - 1) / kTile;
  const bool has_channels = shape.channels >= kLeast && shape.outputs >= kLeast;
  const bool fills_lanes = shape.channels % kLanes == 0 && shape.outputs % kLanes == 0;
  const bool fills_tiles = shape.out_width > (kTile - 1) * tiles;
  const bool pays_for_filter = images * shape.out_height * tiles >= kGroupTiles;
  return has_channels && fills_lanes && fills_tiles && pays_for_filter;
}

void WinogradRows::spread_filter(const float* w, float* to) const {
  const long size = shape_.channels * shape_.outputs;
  for (long i = 0; i < shape_.rows; ++i) spread_taps(w + 3 * i * size, size, taps(), to + i * size);
}

void WinogradRows::gather_filter(const float* from, float* dw) const {
  const long size = shape_.channels * shape_.outputs;
  for (long i = 0; i < shape_.rows; ++i) gather_taps(from + i * size, taps(), size, dw + 3 * i * size);
}

std::vector<Packed> WinogradRows::transposed(const float* filter) const {
  std::vector<Packed> all;
  for (long i = 0; i < kPositions * shape_.rows; ++i)
    all.emplace_back(filter + i * shape_.channels * shape_.outputs, shape_.outputs, shape_.channels, 1, shape_.outputs);
  return all;
}

void WinogradRows::spread_inputs(const float* x, long count, float* to) const {
  const long line = tiles_ * shape_.channels;
  for (long n = 0; n < count; ++n)
    for (long h = 0; h < padded_height_; ++h, to += line) {
      const long row = h - shape_.top;
      const long width = row >= 0 && row < shape_.height ? shape_.width : 0;  // without pixels all is 0
      spread_row(x + (n * shape_.height + row) * shape_.width * shape_.channels, width, shape_.channels, shape_.left, tiles_,
                 inputs(), to);
    }
}

void WinogradRows::gather_outputs(const float* from, long count, const float* bias, bool relu, float* y) const {
  const long outputs = shape_.outputs;
  for (long a = 0; a < count * shape_.out_height; ++a)
    gather_row(from + a * tiles_ * outputs, results(), shape_.out_width, outputs, tiles_, bias, relu,
               y + a * shape_.out_width * outputs);
}

void WinogradRows::spread_gradients(const float* dy, long count, float* to) const {
  const long outputs = shape_.outputs;
  for (long a = 0; a < count * shape_.out_height; ++a)
    spread_gradient_row(dy + a * shape_.out_width * outputs, shape_.out_width, outputs, tiles_, results(),
                        to + a * tiles_ * outputs);
}

void WinogradRows::gather_input_gradients(const float* from, long count, float* dx) const {
  const long line = shape_.width * shape_.channels;
  std::memset(dx, 0, count * shape_.height * line * sizeof(float));
  for (long n = 0; n < count; ++n)
    for (long h = 0; h < padded_height_; ++h, from += tiles_ * shape_.channels) {
      const long row = h - shape_.top;
      if (row < 0 || row >= shape_.height) continue;
      gather_input_row(from, inputs(), shape_.width, shape_.channels, shape_.left, tiles_,
                       dx + (n * shape_.height + row) * line);
    }
}

void WinogradRows::forward(const float* x, long count, const float* filter, const float* bias, bool relu, float* working,
                           float* y) const {
  const long channels = shape_.channels, outputs = shape_.outputs, rows = count * shape_.out_height * tiles_;
  float* sums = working + kPositions * inputs();
  spread_inputs(x, count, working);
  for (long q = 0; q < kPositions; ++q)
    for (long i = 0; i < shape_.rows; ++i)
      for (long c = 0, here; c < channels; c += here) {
        here = std::min(kMostTerms, channels - c);
        multiply({working + q * inputs() + i * shape_.dilation * tiles_ * channels + c, tile_inputs_.data(), rows,
                  {1, 0, 1, 0, here, 1}},
                 {filter + q * taps() + (i * channels + c) * outputs, outputs / kLanes, outputs, kLanes},
                 {sums + q * results(), tile_results_.data(), i + c > 0, nullptr});
      }
  gather_outputs(sums, count, bias, relu, y);
}

void WinogradRows::gradients(const float* x, const float* dy, long count, const std::vector<Packed>& transposed, bool add,
                             float* working, float* filter_gradient, float* dx) const {
  const long channels = shape_.channels, outputs = shape_.outputs, rows = count * shape_.out_height * tiles_;
  const long line = tiles_ * channels, row_step = shape_.dilation * line;
  float* sent = working + kPositions * inputs();
  float* sums = sent + kPositions * results();
  spread_inputs(x, count, working);
  spread_gradients(dy, count, sent);
  const Terms terms{count, padded_height_ * line, shape_.out_height, shape_.stride * line, tiles_, channels};
  for (long q = 0; q < kPositions; ++q)
    for (long i = 0; i < shape_.rows; ++i)
      multiply({working + q * inputs() + i * row_step, channel_inputs_.data(), channels, terms},
               {sent + q * results(), outputs / kLanes, outputs, kLanes},
               {filter_gradient + q * taps() + i * channels * outputs, channel_rows_.data(), add, nullptr});
  if (dx == nullptr) return;
  // Rows of images may meet several rows of the filter, or none.
  const bool adds = shape_.rows > 1 || shape_.stride > 1;
  if (adds) std::memset(sums, 0, kPositions * inputs() * sizeof(float));
  for (long q = 0; q < kPositions; ++q)
    for (long i = 0; i < shape_.rows; ++i)
      multiply({sent + q * results(), tile_results_.data(), rows, {1, 0, 1, 0, outputs, 1}},
               {transposed[q * shape_.rows + i].panel(0), channels / kLanes, kLanes, outputs * kLanes},
               {sums + q * inputs() + i * row_step, tile_inputs_.data(), adds, nullptr});
  gather_input_gradients(sums, count, dx);
}

}  // namespace penstock
