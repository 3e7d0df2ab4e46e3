// Products of float32 matrices whose rows lie anywhere: what a convolution of an image in cache is made of. For AVX-512.
#pragma once

namespace penstock {

constexpr long kLanes = 16;  // numbers in an AVX-512 register

// The terms of a sum, in order, of a left operand: three nested loops over what lies at a row.
struct Terms {
  long outer = 1, outer_stride = 0, middle = 1, middle_stride = 0, inner = 1, inner_stride = 1;
};

// The left operand: row r begins at `values[offsets[r]]`.
struct Gathered {
  const float* values;
  const long* offsets;
  long rows;
  Terms terms;
};

// The right operand, in panels of 16 columns: the row of the k-th term is at `values[panel * panel_stride + k * stride]`.
struct Panels {
  const float* values;
  long count, stride, panel_stride;
};

// Where the product goes: 16 columns after the other from `values[offsets[r]]` on.
struct Sums {
  float* values;
  const long* offsets;
  bool add;           // to what is there; otherwise to `start`
  const float* start;  // one number for each column, or null for zeros
  bool relu = false;  // whether negative sums become 0
};

// Runs on the calling thread.
void multiply(const Gathered& left, const Panels& right, const Sums& sums);

}  // namespace penstock
