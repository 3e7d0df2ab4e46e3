// Non-maximum suppression on the host. The arithmetic is that of the NumPy function, so that both choose the same boxes.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "vectorized.h"

#pragma GCC optimize("fp-contract=off")

namespace penstock {
namespace {

constexpr long kAtOnce = 64;  // boxes that are compared with before it is asked whether one of them overlaps

PENSTOCK_INLINE inline float larger(float a, float b) { return a > b ? a : b; }
PENSTOCK_INLINE inline float smaller(float a, float b) { return a < b ? a : b; }

// Boxes as arrays of their coordinates.
struct Boxes {
  std::vector<float> bottom, left, top, right, area;

  void add(const float* low, const float* high, float size) {
    bottom.push_back(low[0]);
    left.push_back(low[1]);
    top.push_back(high[0]);
    right.push_back(high[1]);
    area.push_back(size);
  }
};

// Whether a box overlaps any of those of `boxes` by more than the threshold: intersection over union, 0 without an area.
PENSTOCK_VECTORIZED
bool overlaps(const Boxes& boxes, const float* low, const float* high, float area, float threshold) {
  const long count = static_cast<long>(boxes.area.size());
  for (long start = 0; start < count; start += kAtOnce) {
    int found = 0;
    const long end = std::min(start + kAtOnce, count);
    for (long i = start; i < end; ++i) {
      const float height = smaller(high[0], boxes.top[i]) - larger(low[0], boxes.bottom[i]);
      const float width = smaller(high[1], boxes.right[i]) - larger(low[1], boxes.left[i]);
      const float common = larger(height, 0.0f) * larger(width, 0.0f);
      const float all = area + boxes.area[i] - common;
      found |= (area > 0.0f) & (boxes.area[i] > 0.0f) & (common / all > threshold);
    }
    if (found) return true;
  }
  return false;
}

}  // namespace
}  // namespace penstock

// Chooses boxes, at most `most`, in the order of `candidates`; returns how many.
extern "C" long penstock_choose_boxes(const float* low, const float* high, const float* areas, const int64_t* candidates,
                                      long count, long most, float threshold, int32_t* chosen) {
  penstock::Boxes boxes;
  long found = 0;
  for (long i = 0; i < count && found < most; ++i) {
    const int64_t box = candidates[i];
    if (penstock::overlaps(boxes, low + 2 * box, high + 2 * box, areas[box], threshold)) continue;
    boxes.add(low + 2 * box, high + 2 * box, areas[box]);
    chosen[found++] = static_cast<int32_t>(box);
  }
  return found;
}
