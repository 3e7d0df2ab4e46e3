#include "packed.h"

#include <algorithm>
#include <cstring>

#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kPanel = Packed::kPanel;
constexpr long kBlock = 8;  // rows whose sums are in registers at a time
constexpr long kMostPanels = 2;

using Lanes = float __attribute__((vector_size(kPanel * sizeof(float)), aligned(4), may_alias));
using Places = int __attribute__((vector_size(kPanel * sizeof(int))));

// Some rows of a left operand, one or two panels of a right one, and where their product goes.
struct Block {
  const float* in;
  long row_stride, depth_stride;
  const float* panel;  // the next one begins `depth` * 16 further
  long depth;
  float* out;
  long out_stride, columns;
  bool add;
};

// Of an incomplete last panel, `columns` say how much is there; with `kWhole`, sums never leave the registers.
template <long kRows, long kPanels, bool kWhole>
inline PENSTOCK_INLINE void multiply_block(const Block& b, const float* in, float* out) {
  Lanes sums[kRows][kPanels] = {};
  for (long k = 0; k < b.depth; ++k) {
    Lanes weights[kPanels];
    for (long p = 0; p < kPanels; ++p)
      weights[p] = *reinterpret_cast<const Lanes*>(b.panel + (p * b.depth + k) * kPanel);
    for (long r = 0; r < kRows; ++r)
      for (long p = 0; p < kPanels; ++p) sums[r][p] += weights[p] * in[r * b.row_stride + k * b.depth_stride];
  }
  for (long r = 0; r < kRows; ++r) {
    for (long p = 0; p < kPanels; ++p) {
      float* to = out + r * b.out_stride + p * kPanel;
      if constexpr (kWhole) {
        Lanes& whole = *reinterpret_cast<Lanes*>(to);
        whole = b.add ? whole + sums[r][p] : sums[r][p];
      } else {
        for (long c = 0; c < std::min(kPanel, b.columns - p * kPanel); ++c)
          to[c] = b.add ? to[c] + sums[r][p][c] : sums[r][p][c];
      }
    }
  }
}

template <long kPanels, bool kWhole>
inline PENSTOCK_INLINE void multiply_rows(const Block& b, long rows) {
  long r = 0;
  for (; r + kBlock <= rows; r += kBlock)
    multiply_block<kBlock, kPanels, kWhole>(b, b.in + r * b.row_stride, b.out + r * b.out_stride);
  for (; r < rows; ++r) multiply_block<1, kPanels, kWhole>(b, b.in + r * b.row_stride, b.out + r * b.out_stride);
}

// The strides that are mostly 1 are constants in a copy of the loops.
template <long kPanels>
inline PENSTOCK_INLINE void multiply_any(Block b, long rows) {
  if (b.columns != kPanels * kPanel) {
    multiply_rows<kPanels, false>(b, rows);
  } else if (b.depth_stride == 1) {
    b.depth_stride = 1;
    multiply_rows<kPanels, true>(b, rows);
  } else {
    multiply_rows<kPanels, true>(b, rows);
  }
}

PENSTOCK_VECTORIZED void multiply_one(const Block& b, long rows) { multiply_any<1>(b, rows); }
PENSTOCK_VECTORIZED void multiply_two(const Block& b, long rows) { multiply_any<2>(b, rows); }

// 16 by 16 numbers: row i of `to` is column i of `from`. Four times, rows i and i + 8 are shuffled into one another.
PENSTOCK_VECTORIZED void transpose(const float* from, long stride, float* to) {
  constexpr Places kLow = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  constexpr Places kHigh = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  Lanes rows[kPanel], shuffled[kPanel];
  for (long i = 0; i < kPanel; ++i) rows[i] = *reinterpret_cast<const Lanes*>(from + i * stride);
  for (int time = 0; time < 4; ++time) {
    for (long i = 0; i < kPanel / 2; ++i) {
      shuffled[2 * i] = __builtin_shuffle(rows[i], rows[i + 8], kLow);
      shuffled[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + 8], kHigh);
    }
    for (long i = 0; i < kPanel; ++i) rows[i] = shuffled[i];
  }
  for (long i = 0; i < kPanel; ++i) *reinterpret_cast<Lanes*>(to + i * kPanel) = rows[i];
}

void copy_rows(const float* from, long stride, float* to, long rows, long width) {
  if (width == kPanel)
    for (long k = 0; k < rows; ++k) std::memcpy(to + k * kPanel, from + k * stride, kPanel * sizeof(float));
  else
    for (long k = 0; k < rows; ++k) std::memcpy(to + k * kPanel, from + k * stride, width * sizeof(float));
}

}  // namespace

Packed::Packed(const float* matrix, long depth, long columns, long depth_stride, long column_stride)
    : depth_(depth), columns_(columns), values_(new float[(columns + kPanel - 1) / kPanel * kPanel * depth]) {
  for (long first = 0; first < columns; first += kPanel) {
    float* panel = values_.get() + first * depth;
    long width = std::min(kPanel, columns - first), done = 0;
    const float* from = matrix + first * column_stride;
    if (width < kPanel) std::fill(panel, panel + depth * kPanel, 0.0f);
    if (column_stride == 1) {
      copy_rows(from, depth_stride, panel, depth, width);
      continue;
    }
    if (width == kPanel && depth_stride == 1)
      for (; done + kPanel <= depth; done += kPanel) transpose(from + done, column_stride, panel + done * kPanel);
    for (long n = 0; n < width; ++n)
      for (long k = done; k < depth; ++k) panel[k * kPanel + n] = from[n * column_stride + k * depth_stride];
  }
}

void multiply_add(const Rows& in, const Packed& matrix, float* out, long out_stride, bool add) {
  for (long n = 0; n < matrix.columns(); n += kMostPanels * kPanel) {
    long columns = std::min(kMostPanels * kPanel, matrix.columns() - n);
    Block block{in.values, in.row_stride, in.depth_stride, matrix.panel(n), matrix.depth(), out + n, out_stride, columns,
                add};
    columns > kPanel ? multiply_two(block, in.count) : multiply_one(block, in.count);
  }
}

}  // namespace penstock
