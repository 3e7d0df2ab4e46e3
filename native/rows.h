// What kernels that go over the rows of a matrix share.
#pragma once

#include <algorithm>
#include <vector>

#include "gathered.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {

// combine(combine(start, at(0)), at(1)), ... in any order, so that it becomes vector instructions.
template <typename At, typename Combine>
inline PENSTOCK_INLINE float reduced(long count, float start, const At& at, const Combine& combine) {
  float lanes[kLanes];
  for (long i = 0; i < kLanes; ++i) lanes[i] = start;
  long whole = count / kLanes * kLanes;
  for (long c = 0; c < whole; c += kLanes)
    for (long i = 0; i < kLanes; ++i) lanes[i] = combine(lanes[i], at(c + i));
  for (long c = whole; c < count; ++c) lanes[0] = combine(lanes[0], at(c));
  for (long i = 1; i < kLanes; ++i) lanes[0] = combine(lanes[0], lanes[i]);
  return lanes[0];
}

inline PENSTOCK_INLINE float larger(float a, float b) { return a > b ? a : b; }
inline PENSTOCK_INLINE float plus(float a, float b) { return a + b; }

// Calls body(first row, last row) on ranges of rows at the same time; a range that is worth a thread has 16384 numbers.
template <typename Body>
void for_rows(long rows, long columns, const Body& body) {
  parallel_for(rows, std::max(1L, (1L << 14) / columns), body);
}

// Sums over rows, of which each thread, or each part of the rows, has its own until all are done, in cache lines of its own.
class ColumnSums {
 public:
  explicit ColumnSums(long columns, long parts = team_size())
      : columns_(columns), lines_((columns + kLanes - 1) / kLanes), parts_(parts), sums_(parts * lines_) {}

  // The calling thread's.
  float* mine() { return of(thread_number()); }

  float* of(long part) { return reinterpret_cast<float*>(sums_.data() + part * lines_); }

  void write(float* out) {
    std::copy_n(of(0), columns_, out);
    for (long part = 1; part < parts_; ++part)
      for (long c = 0; c < columns_; ++c) out[c] += of(part)[c];
  }

 private:
  struct alignas(kLanes * sizeof(float)) Line {
    float values[kLanes];
  };

  long columns_, lines_, parts_;
  std::vector<Line> sums_;
};

}  // namespace penstock
