// Winograd's algorithm F(2x2, 3x3), and its transpose for the gradient of the filter.
//
// The output is computed in tiles of 2 by 2, each from the 4 by 4 inputs under it:
//   Y = A^T [(G w G^T) * (B^T d B)] A
// where * multiplies elements. Over all channels these products are 16 products of matrices, one for each position in a
// transformed tile: [tiles, channels] times [channels, outputs]. Tiles are done in blocks whose transforms stay in the
// second-level cache. With numbers as small as these in A, B and G, rounding errors are not larger than those of the sum
// that defines a convolution (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015).
#include "winograd.h"

#include <algorithm>
#include <cstring>

#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr int64_t kLanes = 16;      // numbers in a vector register
constexpr int64_t kPositions = 16;  // in a transformed tile
constexpr int64_t kSumPosition = 5;
constexpr int64_t kRows = 6;        // of a product whose sums are in registers at a time, with 4 vectors each
constexpr int64_t kBlockBytes = 768 << 10;
constexpr int64_t kChunk = 4, kChunks = 32;  // blocks that a thread takes at a time, at most; of few, so that there are as many parts

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

PENSTOCK_INLINE Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
PENSTOCK_INLINE void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }

// Products.

// out[r, 0 : 16 vectors] (+)= sum over k of in[r * row_stride + k * depth_stride] * matrix[k * columns ...]
template <int kCount, int kVectors>
PENSTOCK_INLINE void multiply(const float* in, int64_t row_stride, int64_t depth_stride,
                                                    const float* matrix, int64_t matrix_stride, int64_t depth,
                                                    float* out, int64_t out_stride, bool add) {
  Lanes sums[kCount][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lanes values[kVectors];
    for (int v = 0; v < kVectors; ++v) values[v] = load(matrix + k * matrix_stride + v * kLanes);
    for (int r = 0; r < kCount; ++r) {
      float factor = in[r * row_stride + k * depth_stride];
      for (int v = 0; v < kVectors; ++v) sums[r][v] += values[v] * factor;
    }
  }
  for (int r = 0; r < kCount; ++r)
    for (int v = 0; v < kVectors; ++v) {
      float* to = out + r * out_stride + v * kLanes;
      store(to, add ? load(to) + sums[r][v] : sums[r][v]);
    }
}

template <int kVectors>
PENSTOCK_INLINE void multiply_rows(const float* in, int64_t row_stride, int64_t depth_stride,
                                                         const float* matrix, int64_t matrix_stride, int64_t rows,
                                                         int64_t depth, float* out, int64_t out_stride, bool add) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    multiply<kRows, kVectors>(in + r * row_stride, row_stride, depth_stride, matrix, matrix_stride, depth,
                              out + r * out_stride, out_stride, add);
  for (; r + 2 <= rows; r += 2)
    multiply<2, kVectors>(in + r * row_stride, row_stride, depth_stride, matrix, matrix_stride, depth,
                          out + r * out_stride, out_stride, add);
  for (; r < rows; ++r)
    multiply<1, kVectors>(in + r * row_stride, row_stride, depth_stride, matrix, matrix_stride, depth,
                          out + r * out_stride, out_stride, add);
}

// out[rows, columns] (+)= in[rows, depth] * matrix[depth, columns]; `columns` is a multiple of 16.
PENSTOCK_VECTORIZED void multiply_matrices(const float* in, int64_t row_stride, int64_t depth_stride,
                                           const float* matrix, int64_t rows, int64_t depth, int64_t columns,
                                           float* out, bool add) {
  int64_t n = 0;
  for (; n + 4 * kLanes <= columns; n += 4 * kLanes)
    multiply_rows<4>(in, row_stride, depth_stride, matrix + n, columns, rows, depth, out + n, columns, add);
  for (; n + 2 * kLanes <= columns; n += 2 * kLanes)
    multiply_rows<2>(in, row_stride, depth_stride, matrix + n, columns, rows, depth, out + n, columns, add);
  for (; n < columns; n += kLanes)
    multiply_rows<1>(in, row_stride, depth_stride, matrix + n, columns, rows, depth, out + n, columns, add);
}

// Transforms. Each is one along the rows of a tile and one along its columns.

// Images [height, width, channels] in tiles: the one at (i, j) begins at row 2 i - top, column 2 j - left.
struct Tiles {
  int64_t batch, height, width, channels, top, left, down, across;

  int64_t count() const { return batch * down * across; }

  // Calls body(number in the block, image, first row, first column) for the tiles from `first` on.
  template <typename Body>
  PENSTOCK_INLINE void each(int64_t first, int64_t count, const Body& body) const {
    int64_t image = first / (down * across), i = first / across % down, j = first % across;
    for (int64_t t = 0; t < count; ++t) {
      body(t, image, 2 * i - top, 2 * j - left);
      if (++j == across) j = 0, ++i;
      if (i == down) i = 0, ++image;
    }
  }

  // The elements [row : row + size, column : column + size] of an image, at 16 channels; 0 outside of it.
  template <int kSize>
  PENSTOCK_INLINE void read(const float* images, int64_t image, int64_t row, int64_t column,
                                                  int64_t channel, Lanes (&to)[kSize][kSize]) const {
    const float* from = images + (image * height * width + row * width + column) * channels + channel;
    if (row >= 0 && column >= 0 && row + kSize <= height && column + kSize <= width) {
      for (int a = 0; a < kSize; ++a)
        for (int b = 0; b < kSize; ++b) to[a][b] = load(from + (a * width + b) * channels);
      return;
    }
    for (int a = 0; a < kSize; ++a)
      for (int b = 0; b < kSize; ++b) {
        bool inside = row + a >= 0 && column + b >= 0 && row + a < height && column + b < width;
        to[a][b] = inside ? load(from + (a * width + b) * channels) : Lanes{};
      }
  }
};

// B^T d B for tiles of 4 by 4: to[position][tile][channel].
PENSTOCK_VECTORIZED void transform_inputs(const Tiles& tiles, const float* x, int64_t first, int64_t count, float* to) {
  int64_t channels = tiles.channels, stride = count * channels;
  tiles.each(first, count, [&](int64_t t, int64_t image, int64_t row, int64_t column) PENSTOCK_INLINE {
    for (int64_t c = 0; c < channels; c += kLanes) {
      Lanes d[4][4], half[4][4];
      tiles.read<4>(x, image, row, column, c, d);
      for (int b = 0; b < 4; ++b) {
        half[0][b] = d[0][b] - d[2][b];
        half[1][b] = d[1][b] + d[2][b];
        half[2][b] = d[2][b] - d[1][b];
        half[3][b] = d[1][b] - d[3][b];
      }
      float* at = to + t * channels + c;
      for (int a = 0; a < 4; ++a) {
        store(at + (4 * a + 0) * stride, half[a][0] - half[a][2]);
        store(at + (4 * a + 1) * stride, half[a][1] + half[a][2]);
        store(at + (4 * a + 2) * stride, half[a][2] - half[a][1]);
        store(at + (4 * a + 3) * stride, half[a][1] - half[a][3]);
      }
    }
  });
}

// A dy A^T for tiles of 2 by 2: to[position][tile][channel].
PENSTOCK_VECTORIZED void transform_output_gradients(const Tiles& tiles, const float* dy, int64_t first, int64_t count,
                                                    float* to) {
  int64_t channels = tiles.channels, stride = count * channels;
  tiles.each(first, count, [&](int64_t t, int64_t image, int64_t row, int64_t column) PENSTOCK_INLINE {
    for (int64_t c = 0; c < channels; c += kLanes) {
      Lanes d[2][2];
      tiles.read<2>(dy, image, row, column, c, d);
      Lanes half[4][2];
      for (int b = 0; b < 2; ++b) {
        half[0][b] = d[0][b];
        half[1][b] = d[0][b] + d[1][b];
        half[2][b] = d[0][b] - d[1][b];
        half[3][b] = -d[1][b];
      }
      float* at = to + t * channels + c;
      for (int a = 0; a < 4; ++a) {
        store(at + (4 * a + 0) * stride, half[a][0]);
        store(at + (4 * a + 1) * stride, half[a][0] + half[a][1]);
        store(at + (4 * a + 2) * stride, half[a][0] - half[a][1]);
        store(at + (4 * a + 3) * stride, -half[a][1]);
      }
    }
  });
}

PENSTOCK_VECTORIZED void add_rows(const float* rows, int64_t count, int64_t width, float* sums) {
  for (int64_t c = 0; c < width; c += kLanes) {
    Lanes sum = load(sums + c);
    for (int64_t i = 0; i < count; ++i) sum += load(rows + i * width + c);
    store(sums + c, sum);
  }
}

// A^T m A for tiles of 2 by 2 of y.
PENSTOCK_VECTORIZED void transform_outputs(const Tiles& tiles, const float* from, const WinogradEnding& ending, int64_t first,
                                           int64_t count, float* y) {
  int64_t channels = tiles.channels, stride = count * channels;
  tiles.each(first, count, [&](int64_t t, int64_t image, int64_t row, int64_t column) PENSTOCK_INLINE {
    bool second_row = row + 1 < tiles.height, second_column = column + 1 < tiles.width;
    for (int64_t c = 0; c < channels; c += kLanes) {
      const float* at = from + t * channels + c;
      Lanes half[2][4];
      for (int b = 0; b < 4; ++b) {
        Lanes m1 = load(at + (4 + b) * stride), m2 = load(at + (8 + b) * stride);
        half[0][b] = load(at + b * stride) + m1 + m2;
        half[1][b] = m1 - m2 - load(at + (12 + b) * stride);
      }
      Lanes added = ending.bias == nullptr ? Lanes{} : load(ending.bias + c);
      int64_t corner = ((image * tiles.height + row) * tiles.width + column) * channels + c;
      for (int a = 0; a < 2; ++a) {
        Lanes left = half[a][0] + half[a][1] + half[a][2] + added;
        Lanes right = half[a][1] - half[a][2] - half[a][3] + added;
        if (ending.relu) {
          left = left < 0 ? Lanes{} : left;  // NaN stays
          right = right < 0 ? Lanes{} : right;
        }
        if (a == 1 && !second_row) break;
        int64_t place = corner + a * tiles.width * channels;
        if (ending.features != nullptr) {
          left = load(ending.features + place) > 0 ? left : Lanes{};
          if (second_column) right = load(ending.features + place + channels) > 0 ? right : Lanes{};
        }
        store(y + place, left);
        if (second_column) store(y + place + channels, right);
      }
    }
  });
}

// One dimension of G w G^T and of its transpose G^T u G.
PENSTOCK_INLINE void spread(Lanes w0, Lanes w1, Lanes w2, Lanes (&u)[4]) {
  Lanes outer = 0.5f * (w0 + w2), inner = 0.5f * w1;
  u[0] = w0, u[1] = outer + inner, u[2] = outer - inner, u[3] = w2;
}

PENSTOCK_INLINE void gather(const Lanes (&u)[4], Lanes (&w)[3]) {
  Lanes sum = 0.5f * (u[1] + u[2]);
  w[0] = u[0] + sum, w[1] = 0.5f * (u[1] - u[2]), w[2] = sum + u[3];
}

// G w G^T at 16 outputs: calls put(position, numbers). With `turned`, of the filter turned by half a turn.
template <typename Put>
PENSTOCK_INLINE void transform_taps(const float* w, int64_t size, bool turned, const Put& put) {
  Lanes taps[9], half[3][4], full[4];
  for (int tap = 0; tap < 9; ++tap) taps[tap] = load(w + (turned ? 8 - tap : tap) * size);
  for (int j = 0; j < 3; ++j) spread(taps[j], taps[3 + j], taps[6 + j], half[j]);
  for (int a = 0; a < 4; ++a) {
    spread(half[0][a], half[1][a], half[2][a], full);
    for (int b = 0; b < 4; ++b) put(4 * a + b, full[b]);
  }
}

// The filter's channels [first, last), as to[position][channel][output].
PENSTOCK_VECTORIZED void transform_channels(const float* w, int64_t channels, int64_t outputs, int64_t first,
                                            int64_t last, float* to) {
  int64_t size = channels * outputs;
  for (int64_t at = first * outputs; at < last * outputs; at += kLanes)
    transform_taps(w + at, size, false, [&](int position, Lanes numbers) PENSTOCK_INLINE {
      store(to + position * size + at, numbers);
    });
}

// The filter that the gradient of the input takes, for the given channels: to[position][output][channel].
PENSTOCK_VECTORIZED void transform_turned_channels(const float* w, int64_t channels, int64_t outputs, int64_t first,
                                                   int64_t last, float* to) {
  int64_t size = channels * outputs;
  float block[kPositions][kLanes][kLanes];  // [output][channel], to be written by rows
  for (int64_t c = first; c < last; c += kLanes)
    for (int64_t o = 0; o < outputs; o += kLanes) {
      for (int64_t row = 0; row < kLanes; ++row)
        transform_taps(w + (c + row) * outputs + o, size, true, [&](int position, Lanes numbers) PENSTOCK_INLINE {
          for (int64_t lane = 0; lane < kLanes; ++lane) block[position][lane][row] = numbers[lane];
        });
      for (int64_t position = 0; position < kPositions; ++position)
        for (int64_t lane = 0; lane < kLanes; ++lane)
          store(to + position * size + (o + lane) * channels + c, load(block[position][lane]));
    }
}

// G w G^T. `channels` and `outputs` are those of w; with `turned`, they change places.
void transform_filter(const float* w, int64_t channels, int64_t outputs, bool turned, float* to) {
  auto transform = turned ? transform_turned_channels : transform_channels;
  parallel_for(channels / kLanes, std::max<int64_t>(1, (1 << 10) / outputs), [&](int64_t first, int64_t last) {
    transform(w, channels, outputs, first * kLanes, last * kLanes, to);
  });
}

// G^T u G for numbers [first, last) of the filter, summed over the parts of u, which are `stride` apart.
PENSTOCK_VECTORIZED void gather_numbers(const float* u, int64_t parts, int64_t stride, int64_t size, int64_t first,
                                        int64_t last, float* dw) {
  for (int64_t at = first; at < last; at += kLanes) {
    Lanes half[4][3], columns[3][4], taps[3];
    for (int a = 0; a < 4; ++a) {
      Lanes sums[4] = {};
      for (int b = 0; b < 4; ++b)
        for (int64_t part = 0; part < parts; ++part) sums[b] += load(u + part * stride + (4 * a + b) * size + at);
      gather(sums, half[a]);
      for (int j = 0; j < 3; ++j) columns[j][a] = half[a][j];
    }
    for (int j = 0; j < 3; ++j) {
      gather(columns[j], taps);
      for (int i = 0; i < 3; ++i) store(dw + (3 * i + j) * size + at, taps[i]);
    }
  }
}

void transform_filter_gradient(const float* u, int64_t parts, int64_t stride, int64_t size, float* dw) {
  parallel_for(size / kLanes, 1 << 9, [&](int64_t first, int64_t last) {
    gather_numbers(u, parts, stride, size, first * kLanes, last * kLanes, dw);
  });
}

// How many tiles are transformed at a time.
int64_t block_tiles(int64_t channels, int64_t outputs) {
  int64_t fitting = kBlockBytes / ((channels + outputs) * kPositions * static_cast<int64_t>(sizeof(float)));
  return std::max(kRows, fitting / kRows * kRows);
}

size_t floats_size(int64_t count) { return aligned(count * sizeof(float)); }

float* take(char*& memory, size_t size) {
  float* taken = reinterpret_cast<float*>(memory);
  memory += size;
  return taken;
}

// The forward algorithm from inputs to outputs, for transformed filters.
void convolve(const Tiles& inputs, const Tiles& outputs, const float* x, const float* filter,
              const WinogradEnding& ending, float* y, char* memory) {
  int64_t block = block_tiles(inputs.channels, outputs.channels);
  int64_t blocks = (inputs.count() + block - 1) / block;
  size_t in_size = floats_size(kPositions * block * inputs.channels);
  size_t out_size = floats_size(kPositions * block * outputs.channels);
  parallel_chunks(blocks, std::clamp<int64_t>(blocks / kChunks, 1, kChunk), [&](int64_t first, int64_t last) {
    char* own = memory + (in_size + out_size) * thread_number();
    float* v = take(own, in_size);
    float* m = take(own, out_size);
    for (int64_t at = first * block; at < std::min(inputs.count(), last * block); at += block) {
      int64_t count = std::min(block, inputs.count() - at);
      transform_inputs(inputs, x, at, count, v);
      for (int64_t position = 0; position < kPositions; ++position)
        multiply_matrices(v + position * count * inputs.channels, inputs.channels, 1,
                          filter + position * inputs.channels * outputs.channels, count, inputs.channels,
                          outputs.channels, m + position * count * outputs.channels, false);
      transform_outputs(outputs, m, ending, at, count, y);
    }
  });
}

size_t convolve_memory(int64_t channels, int64_t outputs) {
  int64_t block = block_tiles(channels, outputs);
  return floats_size(kPositions * block * channels) + floats_size(kPositions * block * outputs);
}

void run(const Winograd& shape, const float* x, const float* w, bool turned, const WinogradEnding& ending, float* y) {
  if (shape.suits_large_tiles()) return winograd_with_large_tiles(shape, x, w, turned, ending, y);
  int64_t down = (shape.out_height + 1) / 2, across = (shape.out_width + 1) / 2;
  Tiles inputs{shape.batch, shape.height, shape.width, shape.channels, shape.pad_top, shape.pad_left, down, across};
  Tiles outputs{shape.batch, shape.out_height, shape.out_width, shape.outputs, 0, 0, down, across};
  size_t filter_size = floats_size(kPositions * shape.channels * shape.outputs);
  char* memory = working_memory(filter_size + convolve_memory(shape.channels, shape.outputs) * team_size());
  float* filter = take(memory, filter_size);
  if (turned) {
    transform_filter(w, shape.outputs, shape.channels, true, filter);
  } else {
    transform_filter(w, shape.channels, shape.outputs, false, filter);
  }
  convolve(inputs, outputs, x, filter, ending, y, memory);
}

}  // namespace

bool Winograd::suits() const {
  static const bool wide = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
  return wide && channels > 0 && channels % kLanes == 0 && outputs % kLanes == 0 && std::min(channels, outputs) >= 32 &&
         std::max(channels, outputs) <= 256 && std::min(out_height, out_width) >= 4 &&
         pad_top <= 2 && pad_left <= 2;
}

void winograd_forward(const Winograd& shape, const float* x, const float* w, const WinogradEnding& ending, float* y) {
  run(shape, x, w, false, ending, y);
}

void winograd_input_gradient(const Winograd& shape, const float* w, const float* dy, const float* features, float* dx) {
  Winograd transposed{shape.batch,   shape.out_height,  shape.out_width,    shape.outputs, shape.channels,
                      2 - shape.pad_top, 2 - shape.pad_left, shape.height, shape.width};
  run(transposed, dy, w, true, {nullptr, false, features}, dx);
}

void winograd_filter_gradient(const Winograd& shape, const float* x, const float* dy, float* dw, float* db) {
  int64_t down = (shape.out_height + 1) / 2, across = (shape.out_width + 1) / 2;
  Tiles inputs{shape.batch, shape.height, shape.width, shape.channels, shape.pad_top, shape.pad_left, down, across};
  Tiles outputs{shape.batch, shape.out_height, shape.out_width, shape.outputs, 0, 0, down, across};
  int64_t block = block_tiles(shape.channels, shape.outputs), count = inputs.count();
  int64_t size = shape.channels * shape.outputs, parts = std::min<int64_t>(team_size(), (count + block - 1) / block);
  size_t sum_size = floats_size(kPositions * size) + floats_size(shape.outputs);  // and of db
  size_t in_size = floats_size(kPositions * block * shape.channels);
  size_t out_size = floats_size(kPositions * block * shape.outputs);
  char* memory = working_memory((sum_size + in_size + out_size) * parts);
  char* blocks = memory + sum_size * parts;
  parallel_for(parts, 1, [&](int64_t first_part, int64_t last_part) {
    for (int64_t part = first_part; part < last_part; ++part) {
      float* sums = reinterpret_cast<float*>(memory + sum_size * part);
      float* db_sums = sums + floats_size(kPositions * size) / sizeof(float);
      std::fill_n(db_sums, shape.outputs, 0.0f);
      char* own = blocks + (in_size + out_size) * part;
      float* v = take(own, in_size);
      float* m = take(own, out_size);
      int64_t begin = count * part / parts, end = count * (part + 1) / parts;
      for (int64_t at = begin; at < end; at += block) {
        int64_t here = std::min(block, end - at);
        transform_inputs(inputs, x, at, here, v);
        transform_output_gradients(outputs, dy, at, here, m);
        // This position of a transformed tile is the sum of its numbers.
        if (db != nullptr) add_rows(m + kSumPosition * here * shape.outputs, here, shape.outputs, db_sums);
        for (int64_t position = 0; position < kPositions; ++position)
          multiply_matrices(v + position * here * shape.channels, 1, shape.channels,
                            m + position * here * shape.outputs, shape.channels, here, shape.outputs,
                            sums + position * size, at != begin);
      }
    }
  });
  transform_filter_gradient(reinterpret_cast<float*>(memory), parts, sum_size / sizeof(float), size, dw);
  if (db == nullptr) return;
  std::fill_n(db, shape.outputs, 0.0f);
  for (int64_t part = 0; part < parts; ++part)
    add_rows(reinterpret_cast<float*>(memory + sum_size * part + floats_size(kPositions * size)), 1, shape.outputs, db);
}

}  // namespace penstock
