#include "gathered.h"

#include <algorithm>

#include "vectorized.h"

namespace penstock {
namespace {

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

// Some rows, from the first on, and some panels, whose sums are in registers at a time.
template <int kRows, int kPanels>
inline PENSTOCK_INLINE void multiply_block(const Gathered& left, const Panels& right, const Sums& to) {
  Lanes sums[kRows][kPanels] = {};
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) {
      if (to.add) sums[r][p] = *reinterpret_cast<const Lanes*>(to.values + to.offsets[r] + p * kLanes);
      else if (to.start != nullptr) sums[r][p] = *reinterpret_cast<const Lanes*>(to.start + p * kLanes);
    }
  const float* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = left.values + left.offsets[r];
  const Terms terms = left.terms;
  const float* matrix = right.values;
  for (long i = 0; i < terms.outer; ++i)
    for (long j = 0; j < terms.middle; ++j) {
      long at = i * terms.outer_stride + j * terms.middle_stride;
      for (const float* end = matrix + terms.inner * right.stride; matrix != end; matrix += right.stride) {
        Lanes weights[kPanels];
        for (int p = 0; p < kPanels; ++p) weights[p] = *reinterpret_cast<const Lanes*>(matrix + p * right.panel_stride);
        for (int r = 0; r < kRows; ++r)
          for (int p = 0; p < kPanels; ++p) sums[r][p] += weights[p] * rows[r][at];
        at += terms.inner_stride;
      }
    }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) {
      Lanes sum = sums[r][p];
      if (to.relu) sum = sum < 0.0f ? Lanes{} : sum;  // NaN stays
      *reinterpret_cast<Lanes*>(to.values + to.offsets[r] + p * kLanes) = sum;
    }
}

// As many rows as the registers have sums for, in blocks of nearly the same size.
template <int kPanels, int kMost>
inline PENSTOCK_INLINE void multiply_rows(Gathered left, const Panels& right, Sums to) {
  for (long blocks = (left.rows + kMost - 1) / kMost; blocks > 0; --blocks) {
    long rows = (left.rows + blocks - 1) / blocks;
    switch (rows) {
      case 1: multiply_block<1, kPanels>(left, right, to); break;
      case 2: multiply_block<2, kPanels>(left, right, to); break;
      case 3: multiply_block<3, kPanels>(left, right, to); break;
      case 4: multiply_block<4, kPanels>(left, right, to); break;
      case 5: multiply_block<5, kPanels>(left, right, to); break;
      case 6: multiply_block<6, kPanels>(left, right, to); break;
      case 7: if constexpr (kMost > 6) multiply_block<7, kPanels>(left, right, to); break;
      default: if constexpr (kMost > 6) multiply_block<8, kPanels>(left, right, to);
    }
    left.rows -= rows, left.offsets += rows, to.offsets += rows;
  }
}

PENSTOCK_WIDE void multiply_one(const Gathered& left, const Panels& right, const Sums& to) {
  multiply_rows<1, 8>(left, right, to);
}

PENSTOCK_WIDE void multiply_two(const Gathered& left, const Panels& right, const Sums& to) {
  multiply_rows<2, 8>(left, right, to);
}

PENSTOCK_WIDE void multiply_three(const Gathered& left, const Panels& right, const Sums& to) {
  multiply_rows<3, 8>(left, right, to);
}

PENSTOCK_WIDE void multiply_four(const Gathered& left, const Panels& right, const Sums& to) {
  multiply_rows<4, 6>(left, right, to);
}

}  // namespace

void multiply(const Gathered& left, const Panels& right, const Sums& sums) {
  constexpr long kMost = 4;
  Panels panels = right;
  Sums to = sums;
  for (long blocks = (right.count + kMost - 1) / kMost, rest = right.count; blocks > 0; --blocks) {
    long count = (rest + blocks - 1) / blocks;
    switch (count) {
      case 1: multiply_one(left, panels, to); break;
      case 2: multiply_two(left, panels, to); break;
      case 3: multiply_three(left, panels, to); break;
      default: multiply_four(left, panels, to);
    }
    rest -= count;
    panels.values += count * right.panel_stride, to.values += count * kLanes;
    if (to.start != nullptr) to.start += count * kLanes;
  }
}

}  // namespace penstock
