// Small products of float32 matrices that stay in cache: what kernels of our own multiply with, one thread at a time.
#pragma once

#include <memory>

namespace penstock {

// A matrix [depth, columns], in panels [depth, 16] one after the other; the last is filled up with zeros.
class Packed {
 public:
  static constexpr long kPanel = 16;  // one AVX-512 register

  // The element (k, n) is at `matrix[k * depth_stride + n * column_stride]`.
  Packed(const float* matrix, long depth, long columns, long depth_stride, long column_stride);

  long depth() const { return depth_; }
  long columns() const { return columns_; }
  const float* panel(long first_column) const { return values_.get() + first_column * depth_; }

 private:
  long depth_, columns_;
  std::unique_ptr<float[]> values_;
};

// Rows of a left operand: the element (r, k) is at `values[r * row_stride + k * depth_stride]`.
struct Rows {
  const float* values;
  long count, row_stride, depth_stride = 1;
};

// What becomes of a sum before it is written.
struct Ending {
  bool add = true;              // to what is there
  const float* bias = nullptr;  // one number for each column, added too
};

// out[r, :] += in[r, :] * matrix, or what `ending` says
void multiply(const Rows& in, const Packed& matrix, float* out, long out_stride, const Ending& ending = {});

}  // namespace penstock
