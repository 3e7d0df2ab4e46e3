// Copies of elements into batches, for input pipelines: large elements of a batch at once, and single images whose pixels
// lie in reverse order, as flipping leaves them.
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace penstock {
namespace {

#if defined(__x86_64__)
constexpr long kCacheLine = 64, kAhead = 2048;  // bytes

// Copies whole cache lines past the caches: reading them before they are written would cost as much as writing them.
void copy_lines(const char* from, long bytes, char* to) {
  for (long i = 0; i < bytes; i += kCacheLine) {
    _mm_prefetch(from + i + kAhead, _MM_HINT_T0);
    __m128i part[4];
    std::memcpy(part, from + i, kCacheLine);
    for (long k = 0; k < 4; ++k) _mm_stream_si128(reinterpret_cast<__m128i*>(to + i) + k, part[k]);
  }
}

// Copies from `from` to `to`, of which only `from` may lie anywhere.
void copy_element(const char* from, long bytes, char* to) {
  const long before = -reinterpret_cast<uintptr_t>(to) & (kCacheLine - 1), lines = (bytes - before) & ~(kCacheLine - 1);
  std::memcpy(to, from, before);
  copy_lines(from + before, lines, to + before);
  std::memcpy(to + before + lines, from + before + lines, bytes - before - lines);
}
#endif

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

// Copies `count` elements of `bytes` bytes (a cache line or more), each from its own place, one behind the other.
extern "C" void penstock_stack(const void* const* elements, long count, long bytes, void* to) {
  for (long i = 0; i < count; ++i) {
    const char* from = static_cast<const char*>(elements[i]);
    char* target = static_cast<char*>(to) + i * bytes;
#if defined(__x86_64__)
    penstock::copy_element(from, bytes, target);
#else
    std::memcpy(target, from, bytes);
#endif
  }
#if defined(__x86_64__)
  _mm_sfence();  // other threads see the bytes in order
#endif
}

// Copies `rows` rows of `pixels` pixels of 12 bytes (three float32); `last` is the last pixel in memory of the first row,
// `stride` the bytes from there to the same of the next row.
extern "C" void penstock_copy_reversed_pixels(const void* last, long rows, long pixels, long stride, void* to) {
  constexpr long kBytes = 12;
  for (long y = 0; y < rows; ++y)
    penstock::copy_row<kBytes>(static_cast<const char*>(last) + y * stride, pixels,
                               static_cast<char*>(to) + y * pixels * kBytes);
}
