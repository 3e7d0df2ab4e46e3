// Bilinear resizing of images [batch, height, width, channels], for the host: input pipelines call it from their threads.
//
// Which pixels an output lies between, and where between them, comes from the caller. The arithmetic is that of the
// NumPy kernel, operation by operation, so that both give the same numbers: rows first, then between two rows, then
// the division that usually follows ("/ 255.0"), which costs nothing while the numbers are in registers.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in GCC's own header: its bug 105593
#endif
#include <immintrin.h>
#endif

#include "resizing.h"
#include "vectorized.h"

// A multiplication and an addition stay two roundings, as in NumPy, also where the processor could do both in one.
#pragma GCC optimize("fp-contract=off")

namespace penstock {
namespace {

// For each place of the output: the two places of the image that it lies between, and how far from the first one.
struct Axis {
  Axis(long size, const int64_t* from, const int64_t* to, const float* between)
      : size(size), first(from, from + size), second(to, to + size), share(between, between + size) {}

  // Whether no place of the image is needed for two of the output, which goes from left to right.
  bool apart() const {
    for (long i = 1; i < size; ++i)
      if (first[i] <= second[i - 1]) return false;
    return true;
  }

  long size;
  std::vector<int64_t> first, second;
  std::vector<float> share;
};


// Four numbers at once; of pixels with three channels the fourth is the next pixel's, and is written over by it.
typedef float Four __attribute__((vector_size(16)));
constexpr long kFour = 4;
constexpr long kCacheLine = 64;
constexpr long kBeyond = kFour;  // how many numbers behind a line may be read and written

// Where the pixels of a line come from, in the form that the loop over them wants.
struct Columns {
  Columns(const Axis& axis, long channels) : size(axis.size), left(size), right(size), share(kFour * size) {
    for (long x = 0; x < size; ++x) {
      left[x] = static_cast<int32_t>(axis.first[x] * channels);
      right[x] = static_cast<int32_t>(axis.second[x] * channels);
      for (long i = 0; i < kFour; ++i) share[kFour * x + i] = axis.share[x];
    }
  }

  long size;
  std::vector<int32_t> left, right;  // in numbers, not in pixels
  std::vector<float> share;          // four times each
};

PENSTOCK_INLINE Four load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}

PENSTOCK_INLINE void resize_line(const float* line, const Columns& columns, long channels, float* out) {
  const int32_t *left_at = columns.left.data(), *right_at = columns.right.data();
  const float* share = columns.share.data();
  const long size = columns.size;
  if (channels == 3 || channels == 4) {
    for (long x = 0; x < size; ++x, out += channels) {
      const Four left = load(line + left_at[x]);
      const Four right = load(line + right_at[x]);
      const Four between = left + (right - left) * load(share + kFour * x);
      std::memcpy(out, &between, sizeof between);
    }
    return;
  }
  for (long x = 0; x < size; ++x) {
    const float *left = line + left_at[x], *right = line + right_at[x];
    for (long c = 0; c < channels; ++c) out[x * channels + c] = left[c] + (right[c] - left[c]) * share[kFour * x];
  }
}

#if defined(__x86_64__)
#define PENSTOCK_HAS_SHUFFLES 1
#define PENSTOCK_SHUFFLES __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

// The same for bytes, 16 numbers at a time, for processors that pick any bytes out of 64: those that the numbers lie
// between are mostly so near to each other, and then need not be made floats one by one.
struct Picks {
  static constexpr long kNumbers = 16, kWindow = 64, kBytesOfNumber = 4;

  struct Pick {
    int32_t base;                                               // the first of 64 bytes of the line
    alignas(kCacheLine) uint8_t left[kWindow], right[kWindow];  // in every fourth byte: which of them
    float share[kNumbers];
  };

  Picks(const Axis& axis, long channels, long line) : size(axis.size * channels) {
    usable = line >= kWindow && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl");
    for (long first = 0; usable && first < size; first += kNumbers) {
      Pick pick{};
      const long last = std::min(first + kNumbers, size) - 1;  // a flipped image goes from right to left
      const long begin = std::min(axis.first[first / channels], axis.first[last / channels]) * channels;
      const long base = std::min(begin, line - kWindow);  // so that all 64 are in the line
      pick.base = static_cast<int32_t>(base);
      for (long i = 0; i < kNumbers && first + i < size; ++i) {
        const long x = (first + i) / channels, channel = (first + i) % channels;
        const long at[2] = {axis.first[x] * channels + channel - base, axis.second[x] * channels + channel - base};
        usable = usable && at[0] >= 0 && at[0] < kWindow && at[1] >= 0 && at[1] < kWindow;
        pick.left[kBytesOfNumber * i] = static_cast<uint8_t>(at[0]);
        pick.right[kBytesOfNumber * i] = static_cast<uint8_t>(at[1]);
        pick.share[i] = axis.share[x];
      }
      picks.push_back(pick);
    }
  }

  bool usable;
  long size;
  std::vector<Pick> picks;
};

// 16 numbers of a line, between those that a pick picks.
PENSTOCK_SHUFFLES PENSTOCK_INLINE __m512 resized(const uint8_t* line, const Picks::Pick& pick) {
  constexpr __mmask64 kFirstBytes = 0x1111111111111111;  // of every number, the only ones that are not 0
  const __m512i window = _mm512_loadu_si512(line + pick.base);
  const __m512 first = _mm512_cvtepi32_ps(
      _mm512_maskz_permutexvar_epi8(kFirstBytes, _mm512_load_si512(pick.left), window));
  const __m512 second = _mm512_cvtepi32_ps(
      _mm512_maskz_permutexvar_epi8(kFirstBytes, _mm512_load_si512(pick.right), window));
  return _mm512_add_ps(first, _mm512_mul_ps(_mm512_sub_ps(second, first), _mm512_load_ps(pick.share)));
}

PENSTOCK_SHUFFLES void resize_line(const uint8_t* line, const Picks& picks, float* out) {
  long left = picks.size;
  for (const Picks::Pick& pick : picks.picks) {
    const __mmask16 wanted = left >= Picks::kNumbers ? 0xFFFF : static_cast<__mmask16>((1u << left) - 1);
    _mm512_mask_storeu_ps(out, wanted, resized(line, pick));
    out += Picks::kNumbers;
    left -= Picks::kNumbers;
  }
}
#endif

PENSTOCK_INLINE void between(const float* top, const float* bottom, float share, float divisor, long count, float* out) {
  if (divisor == 1.0f) {
    for (long i = 0; i < count; ++i) out[i] = top[i] + (bottom[i] - top[i]) * share;
  } else {
    for (long i = 0; i < count; ++i) out[i] = (top[i] + (bottom[i] - top[i]) * share) / divisor;
  }
}

#ifdef PENSTOCK_HAS_SHUFFLES
// Division of many numbers by one, without divisions, which take many times as long: a quotient by the reciprocal is
// corrected by what remains, once to be next to the right one and once more to be it (P. Markstein, "Computation of
// elementary functions on the IBM RISC System/6000 processor", 1990). The numbers are those that bytes lie between: 0,
// or far enough from the smallest ones for what remains to be a float, if the divisor is a usual number.
struct Divisor {
  PENSTOCK_SHUFFLES explicit Divisor(float divisor)
      : number(_mm512_set1_ps(divisor)), reciprocal(_mm512_set1_ps(1.0f / divisor)) {}

  static bool is_usual(float divisor) { return std::fabs(divisor) > 0x1p-60f && std::fabs(divisor) < 0x1p60f; }

  PENSTOCK_SHUFFLES PENSTOCK_INLINE __m512 corrected(__m512 quotient, __m512 numbers) const {
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(number, quotient, numbers), reciprocal, quotient);
  }

  PENSTOCK_SHUFFLES PENSTOCK_INLINE __m512 of(__m512 numbers) const {
    return corrected(corrected(_mm512_mul_ps(numbers, reciprocal), numbers), numbers);
  }

  __m512 number, reciprocal;
};

PENSTOCK_SHUFFLES PENSTOCK_INLINE __m512 divided(__m512 top, __m512 bottom, __m512 share, const Divisor& divisor) {
  return divisor.of(_mm512_add_ps(top, _mm512_mul_ps(_mm512_sub_ps(bottom, top), share)));
}

// The same past the caches, for lines that fill whole cache lines: nobody reads the numbers soon, and what is in the
// caches is of use for the next image.
PENSTOCK_SHUFFLES void between_streamed(const float* top, const float* bottom, float share, float divisor, long count,
                                        float* out) {
  const __m512 shares = _mm512_set1_ps(share);
  const Divisor by(divisor);
  for (long i = 0; i < count; i += Picks::kNumbers)
    _mm512_stream_ps(out + i, divided(_mm512_load_ps(top + i), _mm512_load_ps(bottom + i), shares, by));
}

// A whole line of the result from two rows of pixels, where no other line needs them: numbers are written while others
// are computed, and wait for memory together.
PENSTOCK_SHUFFLES void resize_two_streamed(const uint8_t* top, const uint8_t* bottom, const Picks& picks, float share,
                                           float divisor, float* out) {
  const __m512 shares = _mm512_set1_ps(share);
  const Divisor by(divisor);
  for (const Picks::Pick& pick : picks.picks) {
    _mm512_stream_ps(out, divided(resized(top, pick), resized(bottom, pick), shares, by));
    out += Picks::kNumbers;
  }
}
#endif

}  // namespace

// How one kind of images is resized: made once for many images.
struct Resizer {
  Resizer(bool is_uint8, long height, long width, long channels, const Axis& rows, const Axis& across, float divisor,
          bool for_later)
      : is_uint8(is_uint8), for_later(for_later), height(height), pixels_of_row(width * channels), channels(channels),
        line(across.size * channels), rows(rows), columns(across, channels), rows_apart(rows.apart()),
        divisor(divisor)
#ifdef PENSTOCK_HAS_SHUFFLES
        , picks(across, channels, pixels_of_row)
#endif
  {}

  bool is_uint8, for_later;
  long height, pixels_of_row, channels, line;
  Axis rows;
  Columns columns;
  bool rows_apart;
  float divisor;
#ifdef PENSTOCK_HAS_SHUFFLES
  Picks picks;
#endif
};

namespace {

// `row_at(y)` gives the pixels of a row, `resize_row(pixels of a row, out)` resizes it, `between_rows` is one of the
// functions above.
template <typename RowAt, typename ResizeRow, typename BetweenRows>
PENSTOCK_INLINE void resize_rows(const Resizer& resizer, RowAt row_at, float* out, ResizeRow resize_row,
                                 BetweenRows between_rows) {
  const long line = resizer.line;
  const Axis& rows = resizer.rows;
  constexpr long kLine = kCacheLine / sizeof(float);  // vectors that are aligned are read and written sooner
  const long stride = (line + kBeyond + kLine - 1) / kLine * kLine;
  std::vector<float> lines(2 * stride + kLine);
  float* first = lines.data() + -reinterpret_cast<uintptr_t>(lines.data()) % kCacheLine / sizeof(float);
  float* line_at[2] = {first, first + stride};
  long held[2] = {-1, -1};  // the rows that the two lines are of
  for (long y = 0; y < rows.size; ++y, out += line) {
    if (held[0] != rows.first[y]) {
      std::swap(held[0], held[1]);
      std::swap(line_at[0], line_at[1]);
    }
    const int64_t wanted[2] = {rows.first[y], rows.second[y]};
    for (int i = 0; i < 2; ++i)
      if (held[i] != wanted[i]) {
        resize_row(row_at(wanted[i]), line_at[i]);
        held[i] = wanted[i];
      }
    between_rows(line_at[0], line_at[1], rows.share[y], resizer.divisor, line, out);
  }
}

template <typename T, typename RowAt>
PENSTOCK_INLINE void resize(const Resizer& resizer, RowAt row_at, float* out) {
  std::vector<float> row(resizer.pixels_of_row + kBeyond);
  float* wide = row.data();
  resize_rows(
      resizer, row_at, out,
      [&](const T* pixels, float* line) __attribute__((always_inline)) {
        for (long x = 0; x < resizer.pixels_of_row; ++x) wide[x] = static_cast<float>(pixels[x]);
        resize_line(wide, resizer.columns, resizer.channels, line);
      },
      between);
}

#ifdef PENSTOCK_HAS_SHUFFLES
bool streams(const Resizer& resizer, const float* out) {
  return resizer.for_later && resizer.line % Picks::kNumbers == 0 && reinterpret_cast<uintptr_t>(out) % kCacheLine == 0 &&
         Divisor::is_usual(resizer.divisor);
}

template <typename RowAt>
PENSTOCK_INLINE void resize_streamed(const Resizer& resizer, RowAt row_at, float* out) {
  const Axis& rows = resizer.rows;
  for (long y = 0; y < rows.size; ++y, out += resizer.line) {
    const uint8_t *top = row_at(rows.first[y]), *bottom = row_at(rows.second[y]);
    resize_two_streamed(top, bottom, resizer.picks, rows.share[y], resizer.divisor, out);
  }
}
#endif

// `row_at` gives a row for as long as no row behind the next one is asked for.
template <typename RowAt>
PENSTOCK_INLINE void resize_bytes(const Resizer& resizer, RowAt row_at, float* out) {
#ifdef PENSTOCK_HAS_SHUFFLES
  if (resizer.picks.usable) {
    const auto resize_row = [&](const uint8_t* pixels, float* line) { resize_line(pixels, resizer.picks, line); };
    if (!streams(resizer, out)) {
      resize_rows(resizer, row_at, out, resize_row, between);
      return;
    }
    if (resizer.rows_apart)
      resize_streamed(resizer, row_at, out);
    else
      resize_rows(resizer, row_at, out, resize_row, between_streamed);
    _mm_sfence();  // other threads see the numbers in order
    return;
  }
#endif
  resize<uint8_t>(resizer, row_at, out);
}

PENSTOCK_VECTORIZED
void resize_images(const Resizer& resizer, const void* images, long batch, float* out) {
  const long pixels = resizer.height * resizer.pixels_of_row, out_pixels = resizer.rows.size * resizer.line;
  for (long image = 0; image < batch; ++image, out += out_pixels) {
    if (resizer.is_uint8) {
      const uint8_t* from = static_cast<const uint8_t*>(images) + image * pixels;
      resize_bytes(resizer, [&](long y) __attribute__((always_inline)) { return from + y * resizer.pixels_of_row; }, out);
    } else {
      const float* from = static_cast<const float*>(images) + image * pixels;
      resize<float>(resizer, [&](long y) __attribute__((always_inline)) { return from + y * resizer.pixels_of_row; }, out);
    }
  }
}

}  // namespace

PENSTOCK_VECTORIZED
void resize_as_read(const Resizer& resizer, RowReader& rows, float* out) {
  resize_bytes(resizer, [&](long y) { return rows.row(y); }, out);
}

ResizerSizes sizes_of(const Resizer& resizer) {
  return {resizer.height, resizer.pixels_of_row / resizer.channels, resizer.channels, resizer.rows.size * resizer.line};
}

}  // namespace penstock

// How images of one size and type (uint8 or float32) are resized. Columns that go from right to left flip the image.
// `divisor` is what every number is divided by at the end; 1 leaves them as they are. `for_later`: images are large, and
// read by another thread.
extern "C" penstock::Resizer* penstock_resizer(bool is_uint8, long height, long width, long channels, long out_height,
                                               long out_width, const int64_t* top, const int64_t* bottom,
                                               const float* vertical, const int64_t* left, const int64_t* right,
                                               const float* horizontal, float divisor, bool for_later) {
  return new penstock::Resizer(is_uint8, height, width, channels, {out_height, top, bottom, vertical},
                               {out_width, left, right, horizontal}, divisor, for_later);
}

extern "C" void penstock_delete_resizer(penstock::Resizer* resizer) { delete resizer; }

extern "C" void penstock_resize(const penstock::Resizer* resizer, const void* images, long batch, float* out) {
  penstock::resize_images(*resizer, images, batch, out);
}
