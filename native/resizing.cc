// Bilinear resizing of images [batch, height, width, channels], for the host: input pipelines call it from their threads.
//
// Which pixels an output lies between, and where between them, comes from the caller. The arithmetic is that of the
// NumPy kernel, operation by operation, so that both give the same numbers: rows first, then between two rows.
#include <cstdint>
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

template <typename T, int kChannels>
inline void resize_row(const T* row, const Axis& columns, long channels, float* out) {
  const long count = kChannels ? kChannels : channels;
  for (long x = 0; x < columns.size; ++x) {
    const T* left = row + columns.first[x] * count;
    const T* right = row + columns.second[x] * count;
    const float share = columns.share[x];
    for (long c = 0; c < count; ++c) {
      const float from = static_cast<float>(left[c]);
      out[x * count + c] = from + (static_cast<float>(right[c]) - from) * share;
    }
  }
}

void between(const float* top, const float* bottom, float share, long count, float* out) {
  for (long i = 0; i < count; ++i) out[i] = top[i] + (bottom[i] - top[i]) * share;
}

template <typename T>
void resize(const T* images, long batch, long height, long width, long channels, const Axis& rows,
            const Axis& columns, float* out) {
  const long line = columns.size * channels;
  std::vector<float> lines(2 * line);
  float* line_at[2] = {lines.data(), lines.data() + line};
  const auto make = channels == 3 ? resize_row<T, 3> : channels == 1 ? resize_row<T, 1> : resize_row<T, 0>;
  for (long image = 0; image < batch; ++image) {
    const T* pixels = images + image * height * width * channels;
    long held[2] = {-1, -1};  // the rows that the two lines are of
    for (long y = 0; y < rows.size; ++y) {
      if (held[0] != rows.first[y]) {
        std::swap(held[0], held[1]);
        std::swap(line_at[0], line_at[1]);
      }
      const int64_t wanted[2] = {rows.first[y], rows.second[y]};
      for (int i = 0; i < 2; ++i)
        if (held[i] != wanted[i]) {
          make(pixels + wanted[i] * width * channels, columns, channels, line_at[i]);
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
