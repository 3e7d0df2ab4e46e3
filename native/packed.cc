#include "packed.h"

#include <algorithm>
#include <cstring>

#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kPanel = Packed::kPanel;
constexpr long kBlock = 8;  // rows whose sums are in registers at a time
constexpr long kMostPanels = 3;

using Lanes = float __attribute__((vector_size(kPanel * sizeof(float)), aligned(4), may_alias));
using Places = int __attribute__((vector_size(kPanel * sizeof(int))));

// A left operand, some panels of a right one, and where their product goes.
struct Block {
  Rows in;
  const float* panel;  // the next one begins `depth` * 16 further
  long depth, columns;
  float* out;
  long out_stride;
  Ending ending;
};

// The end of a block whose last panel is incomplete: `sums` are [rows, width].
void write_part(const Block& b, const float* sums, long width, long rows, float* out) {
  for (long r = 0; r < rows; ++r)
    for (long c = 0; c < b.columns; ++c) {
      float& to = out[r * b.out_stride + c];
      float sum = sums[r * width + c];
      if (b.ending.add) sum += to;
      if (b.ending.bias != nullptr) sum += b.ending.bias[c];
      to = sum;
    }
}

// With `kUnit`, neighbours along the depth lie next to each other.
template <long kRows, long kPanels, bool kUnit>
inline PENSTOCK_INLINE void multiply_block(const Block& b, const float* in, float* out) {
  const long depth_stride = kUnit ? 1 : b.in.depth_stride, row_stride = b.in.row_stride, width = kPanels * kPanel;
  Lanes sums[kRows][kPanels] = {};
  for (long k = 0; k < b.depth; ++k) {
    Lanes weights[kPanels];
    for (long p = 0; p < kPanels; ++p)
      weights[p] = *reinterpret_cast<const Lanes*>(b.panel + (p * b.depth + k) * kPanel);
    for (long r = 0; r < kRows; ++r)
      for (long p = 0; p < kPanels; ++p) sums[r][p] += weights[p] * in[r * row_stride + k * depth_stride];
  }
  if (b.columns < width) {
    float part[kRows * width];
    for (long r = 0; r < kRows; ++r)
      for (long p = 0; p < kPanels; ++p) *reinterpret_cast<Lanes*>(part + r * width + p * kPanel) = sums[r][p];
    return write_part(b, part, width, kRows, out);
  }
  for (long r = 0; r < kRows; ++r)
    for (long p = 0; p < kPanels; ++p) {
      Lanes& to = *reinterpret_cast<Lanes*>(out + r * b.out_stride + p * kPanel);
      Lanes sum = sums[r][p];
      if (b.ending.add) sum += to;
      if (b.ending.bias != nullptr) sum += *reinterpret_cast<const Lanes*>(b.ending.bias + p * kPanel);
      to = sum;
    }
}

// AVX-512 has registers for 8 rows and 3 panels. Compiled for it by name, not as one of several clones: what the compiler
// makes of so many sums for processors with fewer registers is slow, and takes it minutes.
#if defined(__x86_64__) && defined(__GNUC__)

// In blocks of nearly the same size: too few sums at a time would wait for each other.
template <long kPanels, bool kUnit>
inline PENSTOCK_INLINE void multiply_rows(const Block& b) {
  const float* in = b.in.values;
  float* out = b.out;
  for (long left = b.in.count, blocks = (left + kBlock - 1) / kBlock; blocks > 0; --blocks) {
    long rows = (left + blocks - 1) / blocks;
    switch (rows) {
      case 1: multiply_block<1, kPanels, kUnit>(b, in, out); break;
      case 2: multiply_block<2, kPanels, kUnit>(b, in, out); break;
      case 3: multiply_block<3, kPanels, kUnit>(b, in, out); break;
      case 4: multiply_block<4, kPanels, kUnit>(b, in, out); break;
      case 5: multiply_block<5, kPanels, kUnit>(b, in, out); break;
      case 6: multiply_block<6, kPanels, kUnit>(b, in, out); break;
      case 7: multiply_block<7, kPanels, kUnit>(b, in, out); break;
      default: multiply_block<8, kPanels, kUnit>(b, in, out);
    }
    left -= rows, in += rows * b.in.row_stride, out += rows * b.out_stride;
  }
}

PENSTOCK_WIDE void multiply_one(const Block& b) {
  b.in.depth_stride == 1 ? multiply_rows<1, true>(b) : multiply_rows<1, false>(b);
}

PENSTOCK_WIDE void multiply_two(const Block& b) {
  b.in.depth_stride == 1 ? multiply_rows<2, true>(b) : multiply_rows<2, false>(b);
}

PENSTOCK_WIDE void multiply_three(const Block& b) {
  b.in.depth_stride == 1 ? multiply_rows<3, true>(b) : multiply_rows<3, false>(b);
}

bool has_wide() {
  static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vl");
  return found;
}
#else
bool has_wide() { return false; }
#endif

// Other processors: a panel at a time, which takes two of their registers, or four.
PENSTOCK_VECTORIZED void multiply_narrow(const Block& b) {
  constexpr long kRows = 4;
  const float* in = b.in.values;
  float* out = b.out;
  long r = 0;
  for (; r + kRows <= b.in.count; r += kRows)
    multiply_block<kRows, 1, false>(b, in + r * b.in.row_stride, out + r * b.out_stride);
  for (; r < b.in.count; ++r) multiply_block<1, 1, false>(b, in + r * b.in.row_stride, out + r * b.out_stride);
}

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

// Row by row, as the processor fetches ahead what is read in order.
void pack_rows(const float* matrix, long depth, long columns, long stride, float* to) {
  long whole = columns / kPanel * kPanel;
  for (long k = 0; k < depth; ++k) {
    const float* row = matrix + k * stride;
    for (long n = 0; n < whole; n += kPanel) std::memcpy(to + n * depth + k * kPanel, row + n, kPanel * sizeof(float));
    if (whole == columns) continue;
    float* last = to + whole * depth + k * kPanel;
    for (long c = 0; c < kPanel; ++c) last[c] = whole + c < columns ? row[whole + c] : 0.0f;
  }
}

// Column by column; where neighbours along the depth lie next to each other, 16 of both at a time.
void pack_columns(const float* matrix, long depth, long columns, long depth_stride, long column_stride, float* to) {
  for (long first = 0; first < columns; first += kPanel) {
    float* panel = to + first * depth;
    long width = std::min(kPanel, columns - first), done = 0;
    const float* from = matrix + first * column_stride;
    if (width < kPanel) std::fill(panel, panel + depth * kPanel, 0.0f);
    if (width == kPanel && depth_stride == 1)
      for (; done + kPanel <= depth; done += kPanel) transpose(from + done, column_stride, panel + done * kPanel);
    for (long n = 0; n < width; ++n)
      for (long k = done; k < depth; ++k) panel[k * kPanel + n] = from[n * column_stride + k * depth_stride];
  }
}

}  // namespace

Packed::Packed(const float* matrix, long depth, long columns, long depth_stride, long column_stride)
    : depth_(depth), columns_(columns), values_(new float[(columns + kPanel - 1) / kPanel * kPanel * depth]) {
  if (column_stride == 1) {
    pack_rows(matrix, depth, columns, depth_stride, values_.get());
  } else {
    pack_columns(matrix, depth, columns, depth_stride, column_stride, values_.get());
  }
}

void multiply(const Rows& in, const Packed& matrix, float* out, long out_stride, const Ending& ending) {
  const bool wide = has_wide();
  const long most = wide ? kMostPanels : 1;
  long left = (matrix.columns() + kPanel - 1) / kPanel, n = 0;
  for (long blocks = (left + most - 1) / most; blocks > 0; --blocks) {
    long panels = (left + blocks - 1) / blocks;
    Block block{in,      matrix.panel(n), matrix.depth(), std::min(panels * kPanel, matrix.columns() - n),
                out + n, out_stride,      ending};
    if (ending.bias != nullptr) block.ending.bias += n;
    if (!wide) multiply_narrow(block);
#if defined(__x86_64__) && defined(__GNUC__)
    else if (panels == 1) multiply_one(block);
    else if (panels == 2) multiply_two(block);
    else multiply_three(block);
#endif
    left -= panels, n += panels * kPanel;
  }
}

}  // namespace penstock
