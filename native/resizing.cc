// Bilinear resizing of images [batch, height, width, channels], for the host: input pipelines call it from their threads.
//
// Which pixels an output lies between, and where between them, comes from the caller. The arithmetic is that of the
// NumPy kernel, operation by operation, so that both give the same numbers: rows first, then between two rows.
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace penstock {
namespace {

struct Axis {
  long size;
  const int64_t* first;
  const int64_t* second;
  const float* share;
};

// Four numbers at once; of pixels with three channels the fourth is the next pixel's, and is written over by it.
typedef float Four __attribute__((vector_size(16)));
constexpr long kBeyond = 4;  // how many numbers behind a line may be read and written

inline Four load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}

inline void resize_line(const float* line, const Axis& columns, long channels, float* out) {
  if (channels == 3 || channels == 4) {
    for (long x = 0; x < columns.size; ++x) {
      const Four left = load(line + columns.first[x] * channels);
      const Four right = load(line + columns.second[x] * channels);
      const Four between = left + (right - left) * columns.share[x];
      std::memcpy(out + x * channels, &between, sizeof between);
    }
    return;
  }
  for (long x = 0; x < columns.size; ++x) {
    const float* left = line + columns.first[x] * channels;
    const float* right = line + columns.second[x] * channels;
    for (long c = 0; c < channels; ++c)
      out[x * channels + c] = left[c] + (right[c] - left[c]) * columns.share[x];
  }
}

void between(const float* top, const float* bottom, float share, long count, float* out) {
  for (long i = 0; i < count; ++i) out[i] = top[i] + (bottom[i] - top[i]) * share;
}

template <typename T>
void resize(const T* images, long batch, long height, long width, long channels, const Axis& rows,
            const Axis& columns, float* out) {
  const long line = columns.size * channels, pixels_of_row = width * channels;
  std::vector<float> row(pixels_of_row + kBeyond), lines(2 * (line + kBeyond));
  float* line_at[2] = {lines.data(), lines.data() + line + kBeyond};
  for (long image = 0; image < batch; ++image) {
    const T* pixels = images + image * height * pixels_of_row;
    long held[2] = {-1, -1};  // the rows that the two lines are of
    for (long y = 0; y < rows.size; ++y) {
      if (held[0] != rows.first[y]) {
        std::swap(held[0], held[1]);
        std::swap(line_at[0], line_at[1]);
      }
      const int64_t wanted[2] = {rows.first[y], rows.second[y]};
      for (int i = 0; i < 2; ++i)
        if (held[i] != wanted[i]) {
          const T* from = pixels + wanted[i] * pixels_of_row;
          for (long x = 0; x < pixels_of_row; ++x) row[x] = static_cast<float>(from[x]);
          resize_line(row.data(), columns, channels, line_at[i]);
          held[i] = wanted[i];
        }
      between(line_at[0], line_at[1], rows.share[y], line, out + (image * rows.size + y) * line);
    }
  }
}

}  // namespace
}  // namespace penstock

extern "C" void penstock_resize_bilinear(const void* images, int is_uint8, long batch, long height, long width,
                                         long channels, long out_height, long out_width,
                                         const int64_t* top, const int64_t* bottom, const float* vertical,
                                         const int64_t* left, const int64_t* right, const float* horizontal,
                                         float* out) {
  const penstock::Axis rows{out_height, top, bottom, vertical};
  const penstock::Axis columns{out_width, left, right, horizontal};
  if (is_uint8)
    penstock::resize(static_cast<const uint8_t*>(images), batch, height, width, channels, rows, columns, out);
  else
    penstock::resize(static_cast<const float*>(images), batch, height, width, channels, rows, columns, out);
}
