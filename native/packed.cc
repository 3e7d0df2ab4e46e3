#include "packed.h"

#include <algorithm>
#include <cstring>

#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kPanel = Packed::kPanel;
constexpr long kBlock = 8;  // rows whose sums are in registers at a time

using Lanes = float __attribute__((vector_size(kPanel * sizeof(float)), aligned(4), may_alias));

// out[r, 0:16] += in[r, :] * panel, for `kRows` rows.
template <long kRows>
inline PENSTOCK_INLINE void multiply_block(const float* in, long row_stride, long depth_stride, const float* panel,
                                           long depth, float* out, long out_stride, long columns) {
  Lanes sums[kRows] = {};
  for (long k = 0; k < depth; ++k) {
    Lanes weights = *reinterpret_cast<const Lanes*>(panel + k * kPanel);
    for (long r = 0; r < kRows; ++r) sums[r] += weights * in[r * row_stride + k * depth_stride];
  }
  for (long r = 0; r < kRows; ++r)
    for (long c = 0; c < columns; ++c) out[r * out_stride + c] += sums[r][c];
}

// The sizes and strides that are mostly these are constants in a copy of the loops.
inline PENSTOCK_INLINE void multiply_rows(const float* in, long rows, long row_stride, long depth_stride,
                                          const float* panel, long depth, float* out, long out_stride, long columns) {
  long r = 0;
  for (; r + kBlock <= rows; r += kBlock)
    multiply_block<kBlock>(in + r * row_stride, row_stride, depth_stride, panel, depth, out + r * out_stride, out_stride,
                           columns);
  for (; r < rows; ++r)
    multiply_block<1>(in + r * row_stride, row_stride, depth_stride, panel, depth, out + r * out_stride, out_stride,
                      columns);
}

PENSTOCK_VECTORIZED void multiply_panel(const float* in, long rows, long row_stride, long depth_stride,
                                        const float* panel, long depth, float* out, long out_stride, long columns) {
  if (columns != kPanel)
    multiply_rows(in, rows, row_stride, depth_stride, panel, depth, out, out_stride, columns);
  else if (depth_stride == 1)
    multiply_rows(in, rows, row_stride, 1, panel, depth, out, out_stride, kPanel);
  else if (row_stride == 1)
    multiply_rows(in, rows, 1, depth_stride, panel, depth, out, out_stride, kPanel);
  else
    multiply_rows(in, rows, row_stride, depth_stride, panel, depth, out, out_stride, kPanel);
}

}  // namespace

Packed::Packed(const float* matrix, long depth, long columns, long depth_stride, long column_stride)
    : depth_(depth), columns_(columns), values_((columns + kPanel - 1) / kPanel * kPanel * depth) {
  for (long first = 0; first < columns; first += kPanel) {
    float* panel = values_.data() + first * depth;
    long width = std::min(kPanel, columns - first);
    const float* from = matrix + first * column_stride;
    if (column_stride == 1) {
      for (long k = 0; k < depth; ++k) std::memcpy(panel + k * kPanel, from + k * depth_stride, width * sizeof(float));
      continue;
    }
    for (long n = 0; n < width; ++n)
      for (long k = 0; k < depth; ++k) panel[k * kPanel + n] = from[n * column_stride + k * depth_stride];
  }
}

void multiply_add(const Rows& in, const Packed& matrix, float* out, long out_stride) {
  for (long n = 0; n < matrix.columns(); n += kPanel)
    multiply_panel(in.values, in.count, in.row_stride, in.depth_stride, matrix.panel(n), matrix.depth(), out + n,
                   out_stride, std::min(kPanel, matrix.columns() - n));
}

}  // namespace penstock
