// Adam's update of matrices whose gradients are products over small batches.
#pragma once

#include <functional>

#include "packed.h"

namespace penstock {

struct Rates {
  float first, second, step, epsilon;
};

// A variable and its two moments [rows, columns], before and after; both may be the same arrays.
struct AdamArrays {
  const float *p, *m, *v;
  float *new_p, *new_m, *new_v;
  long rows, columns;
};

// Copies the columns [first, first + count) of a matrix [batch, rows] to `to` [batch, count].
using CopyColumns = std::function<void(long first, long count, float* to)>;

// The gradient is inputs^T gradients, done in parts that stay in the first cache. The caller holds a `Turn`.
void update_by_product(const AdamArrays& arrays, const Rates& rates, const CopyColumns& inputs, const Packed& gradients);

}  // namespace penstock
