// Ordering and counting on the host, in one pass over the numbers where NumPy takes several.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "vectorized.h"

namespace penstock {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr long kAtOnce = 64;  // numbers that are compared before anything is decided

// Where the largest of each column of [rows, columns] is, the first of equal ones; NaN is as small as a number can be.
PENSTOCK_VECTORIZED
void largest_rows(const float* x, long rows, long columns, bool smallest, float* best, int32_t* at) {
  const float sign = smallest ? -1.0f : 1.0f;
  std::fill(best, best + columns, -kInfinity);
  std::fill(at, at + columns, 0);
  for (long r = 0; r < rows; ++r) {
    const float* row = x + r * columns;
    for (long c = 0; c < columns; ++c) {
      const float value = sign * row[c];
      at[c] = value > best[c] ? static_cast<int32_t>(r) : at[c];
      best[c] = value > best[c] ? value : best[c];
    }
  }
}

// Whether all numbers of a row are finite and fewer than `most` are above `target`.
PENSTOCK_VECTORIZED
bool few_above(const float* row, long columns, float target, int64_t most) {
  int64_t count = 0;
  for (long start = 0; start < columns; start += kAtOnce) {
    int32_t here = 0, wrong = 0;
    const long end = std::min(start + kAtOnce, columns);
    for (long c = start; c < end; ++c) {
      here += row[c] > target;
      wrong |= !(row[c] - row[c] == 0.0f);
    }
    count += here;
    if (wrong || count >= most) return false;
  }
  return count < most;
}

PENSTOCK_VECTORIZED
bool any_above(const float* x, float least) {
  int32_t found = 0;
  for (long i = 0; i < kAtOnce; ++i) found |= x[i] > least;
  return found;
}

// The k largest of a row, in order; equal ones in the order of their places.
class Largest {
 public:
  explicit Largest(long k) : k_(k), values_(k), places_(k) {}

  void find(const float* row, long columns, int64_t* places) {
    count_ = 0;
    long i = 0;
    for (; i < k_; ++i) add(row[i], i);
    for (; i + kAtOnce <= columns; i += kAtOnce)
      if (any_above(row + i, values_[k_ - 1]))
        for (long j = i; j < i + kAtOnce; ++j) add_if_large(row[j], j);
    for (; i < columns; ++i) add_if_large(row[i], i);
    std::copy(places_.begin(), places_.end(), places);
  }

 private:
  void add_if_large(float value, long place) {
    if (!(value > values_[k_ - 1])) return;
    --count_;
    add(value, place);
  }

  void add(float value, long place) {
    if (value != value) value = -kInfinity;
    long at = count_++;
    for (; at > 0 && values_[at - 1] < value; --at) values_[at] = values_[at - 1], places_[at] = places_[at - 1];
    values_[at] = value, places_[at] = place;
  }

  const long k_;
  long count_ = 0;
  std::vector<float> values_;
  std::vector<int64_t> places_;
};

// Neighbours are counted apart: a count cannot be raised again before it is written.
template <typename Number>
bool count_numbers(const Number* values, long count, long size, int64_t* counts) {
  constexpr long kApart = 4;
  std::vector<int64_t> found(kApart * size);
  int64_t* of[kApart];
  for (long a = 0; a < kApart; ++a) of[a] = found.data() + a * size;
  Number signs = 0;
  auto add = [&](long apart, Number value) {
    signs |= value;
    if (static_cast<uint64_t>(value) < static_cast<uint64_t>(size)) ++of[apart][value];
  };
  long i = 0;
  for (; i + kApart <= count; i += kApart)
    for (long a = 0; a < kApart; ++a) add(a, values[i + a]);
  for (; i < count; ++i) add(0, values[i]);
  for (long a = 0; a < kApart; ++a)
    for (long n = 0; n < size; ++n) counts[n] += of[a][n];
  return signs >= 0;
}

template <typename Item>
void divide_items(const Item* items, const int32_t* groups, long count, void** to) {
  auto** out = reinterpret_cast<Item**>(to);
  for (long i = 0; i < count; ++i) *out[groups[i]]++ = items[i];
}

}  // namespace
}  // namespace penstock

// For each column of each of `outer` matrices.
extern "C" void penstock_largest_rows(const float* x, long outer, long rows, long columns, bool smallest, int32_t* at) {
  std::vector<float> best(columns);
  for (long o = 0; o < outer; ++o)
    penstock::largest_rows(x + o * rows * columns, rows, columns, smallest, best.data(), at + o * columns);
}

extern "C" void penstock_few_above(const float* x, const float* targets, long rows, long columns, int64_t most, bool* few) {
  for (long r = 0; r < rows; ++r) few[r] = penstock::few_above(x + r * columns, columns, targets[r], most);
}

// 0 < k <= columns
extern "C" void penstock_k_largest(const float* x, long rows, long columns, long k, int64_t* places) {
  penstock::Largest largest(k);
  for (long r = 0; r < rows; ++r) largest.find(x + r * columns, columns, places + r * k);
}

// Adds to `counts` how often each number below `size` is there; returns whether none is negative.
extern "C" bool penstock_count_numbers(const void* values, long count, bool wide, long size, int64_t* counts) {
  return wide ? penstock::count_numbers(static_cast<const int64_t*>(values), count, size, counts)
              : penstock::count_numbers(static_cast<const int32_t*>(values), count, size, counts);
}

// Copies item i, of `bytes` bytes, to where to[groups[i]] points, and moves that on.
extern "C" void penstock_divide_items(const char* items, const int32_t* groups, long count, long bytes, void** to) {
  if (bytes == 4) return penstock::divide_items(reinterpret_cast<const uint32_t*>(items), groups, count, to);
  if (bytes == 8) return penstock::divide_items(reinterpret_cast<const uint64_t*>(items), groups, count, to);
  for (long i = 0; i < count; ++i) {
    char*& place = reinterpret_cast<char*&>(to[groups[i]]);
    std::memcpy(place, items + i * bytes, bytes);
    place += bytes;
  }
}
