// Copies of images whose pixels lie in reverse order, as flipping leaves them: for input pipelines, which stack such
// images to batches.
#include <cstring>

namespace penstock {
namespace {

constexpr long kChunk = 16;  // bytes that one instruction moves

// A pixel shorter than a chunk is moved as one: what is behind it is the next pixel's place, written afterwards. At the
// ends of a row, where there may be nothing behind, it is moved as it is.
template <long kBytes>
void copy_row(const char* last, long pixels, char* to) {
  std::memcpy(to, last, kBytes);
  for (long x = 1; x + 1 < pixels; ++x) std::memcpy(to + x * kBytes, last - x * kBytes, kChunk);
  if (pixels > 1) std::memcpy(to + (pixels - 1) * kBytes, last - (pixels - 1) * kBytes, kBytes);
}

}  // namespace
}  // namespace penstock

// Copies `rows` rows of `pixels` pixels of 12 bytes (three float32); `last` is the last pixel in memory of the first row,
// `stride` the bytes from there to the same of the next row.
extern "C" void penstock_copy_reversed_pixels(const void* last, long rows, long pixels, long stride, void* to) {
  constexpr long kBytes = 12;
  for (long y = 0; y < rows; ++y)
    penstock::copy_row<kBytes>(static_cast<const char*>(last) + y * stride, pixels,
                               static_cast<char*>(to) + y * pixels * kBytes);
}
