// Images [batch, height, width, channels] as weighted sums of their pixels, for the host: bicubic and area resizing, and
// the kernels of ScaleAndTranslate.
//
// Which pixels an output is the sum of, and their weights, come from the caller: the same number of them for each place
// of an axis, with weight 0 where it needs fewer. A blend of two is written so that equal pixels stay as they are. Sums
// go first over rows, then over columns, term by term as in the NumPy kernel, so that both give the same numbers.
#include <cstdint>
#include <cstring>
#include <vector>

#include "vectorized.h"

// A multiplication and an addition stay two roundings, as in NumPy, also where the processor could do both in one.
#pragma GCC optimize("fp-contract=off")

namespace penstock {
namespace {

// For each place of the output: `terms` places of the image, and their weights.
struct Sums {
  long size, terms;
  const int64_t* places;
  const float* weights;
  bool blends;  // of two pixels, whose weights add up to 1
};

// Four numbers at once; of pixels with three channels the fourth is the next pixel's, and is written over by it.
typedef float Four __attribute__((vector_size(16)));
constexpr long kBeyond = 4;  // how many numbers behind a line may be read and written

PENSTOCK_INLINE Four load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}

// One line of numbers, the sum of rows of an image.
PENSTOCK_INLINE void sum_rows(const float* image, long numbers, const Sums& rows, long y, float* line) {
  const int64_t* places = rows.places + y * rows.terms;
  const float* weights = rows.weights + y * rows.terms;
  const float* row = image + places[0] * numbers;
  if (rows.blends) {
    const float* other = image + places[1] * numbers;
    const float weight = weights[1];
    for (long i = 0; i < numbers; ++i) line[i] = row[i] + (other[i] - row[i]) * weight;
    return;
  }
  for (long i = 0; i < numbers; ++i) line[i] = row[i] * weights[0];
  for (long k = 1; k < rows.terms; ++k) {
    const float* next = image + places[k] * numbers;
    const float weight = weights[k];
    for (long i = 0; i < numbers; ++i) line[i] = line[i] + next[i] * weight;
  }
}

// One number of each channel, or four; `at(place)` reads them.
template <typename Numbers, typename At>
PENSTOCK_INLINE Numbers sum_of(const Sums& sums, long x, At at) {
  const int64_t* places = sums.places + x * sums.terms;
  const float* weights = sums.weights + x * sums.terms;
  const Numbers first = at(places[0]);
  if (sums.blends) return first + (at(places[1]) - first) * weights[1];
  Numbers sum = first * weights[0];
  for (long k = 1; k < sums.terms; ++k) sum = sum + at(places[k]) * weights[k];
  return sum;
}

PENSTOCK_INLINE void sum_columns(const float* line, long channels, const Sums& columns, float* out) {
  for (long x = 0; x < columns.size; ++x, out += channels) {
    if (channels == 3 || channels == 4) {
      const auto four = [&](long place) __attribute__((always_inline)) { return load(line + place * channels); };
      const Four sum = sum_of<Four>(columns, x, four);
      std::memcpy(out, &sum, sizeof sum);
      continue;
    }
    for (long c = 0; c < channels; ++c) {
      const auto one = [&](long place) __attribute__((always_inline)) { return line[place * channels + c]; };
      out[c] = sum_of<float>(columns, x, one);
    }
  }
}

PENSTOCK_VECTORIZED
void resample(const float* images, long batch, long height, long width, long channels, const Sums& rows,
              const Sums& columns, float* out) {
  const long numbers = width * channels, wanted = columns.size * channels;
  std::vector<float> line(numbers + kBeyond), summed(wanted + kBeyond);
  for (long image = 0; image < batch; ++image, images += height * numbers)
    for (long y = 0; y < rows.size; ++y, out += wanted) {
      sum_rows(images, numbers, rows, y, line.data());
      sum_columns(line.data(), channels, columns, summed.data());
      std::memcpy(out, summed.data(), wanted * sizeof(float));
    }
}

}  // namespace
}  // namespace penstock

extern "C" void penstock_resample(const float* images, long batch, long height, long width, long channels,
                                  long out_height, long row_terms, const int64_t* row_places, const float* row_weights,
                                  bool rows_blend, long out_width, long column_terms, const int64_t* column_places,
                                  const float* column_weights, bool columns_blend, float* out) {
  const penstock::Sums rows{out_height, row_terms, row_places, row_weights, rows_blend};
  const penstock::Sums columns{out_width, column_terms, column_places, column_weights, columns_blend};
  penstock::resample(images, batch, height, width, channels, rows, columns, out);
}
