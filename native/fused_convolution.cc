// Convolutions of small images with what stands around them: bias, Relu and max pool after them, and all their gradients.
//
// An image, or a few of them, goes through all of it while it is in cache, and each thread has images of its own. A max
// pool keeps which element of each window was the largest, so the gradients need nothing of what was before it, and the
// gradient before it is never in memory as a whole. Images are [batch, height, width, channels], filters [height, width,
// channels, outputs], with a multiple of 16 outputs; gradients of images need a multiple of 16 channels too. For AVX-512.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "gathered.h"
#include "onednn.h"
#include "packed.h"
#include "team.h"
#include "vectorized.h"
#include "winograd_rows.h"

namespace penstock {
namespace {

constexpr long kFilterPart = 6144;      // numbers of a filter that stay in the first-level cache with what they meet
constexpr long kColumns = 4 * kLanes;   // of a filter that are multiplied at a time
constexpr long kManyPixels = 4096;      // of an image's outputs, that several threads share
constexpr long kPixels = 128;           // so many outputs of each channel make up for fetching the filter
constexpr long kBand = 8;               // rows of a large image, that a thread computes at a time
constexpr unsigned char kNowhere = 255;  // the place of a maximum that passes no gradient

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
using Places = int __attribute__((vector_size(kLanes * sizeof(int))));
using Bytes = unsigned char __attribute__((vector_size(kLanes), aligned(1), may_alias));

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

struct Windows {
  long size[2], stride[2], dilation[2], pad[2];
};

// A max pool over an image [height, width, channels].
struct Pool {
  Windows windows;
  long input[2], output[2], channels;

  long inputs() const { return input[0] * input[1] * channels; }
  long outputs() const { return output[0] * output[1] * channels; }

  // Whether each element is in one window and no more.
  bool divides() const {
    for (int i = 0; i < 2; ++i)
      if (windows.size[i] != windows.stride[i] || output[i] * windows.stride[i] < input[i] + windows.pad[i]) return false;
    return true;
  }
};

// The rows, or columns, of a window that are in the image, and where it begins.
struct Extent {
  long start, first, last;

  Extent(const Pool& pool, int dimension, long at)
      : start(at * pool.windows.stride[dimension] - pool.windows.pad[dimension]),
        first(std::max(0L, -start)),
        last(std::min(pool.windows.size[dimension], pool.input[dimension] - start)) {}
};

// y and the number of each maximum in its window; with `relu`, a maximum of 0 passes no gradient.
PENSTOCK_WIDE void take_maxima(const Pool& pool, const float* x, bool relu, float* y, unsigned char* places) {
  const long channels = pool.channels, line = pool.input[1] * channels;
  for (long a = 0; a < pool.output[0]; ++a)
    for (long b = 0; b < pool.output[1]; ++b, y += channels, places += channels) {
      const Extent rows(pool, 0, a), columns(pool, 1, b);
      const float* window = x + rows.start * line + columns.start * channels;
      for (long c = 0; c < channels; c += kLanes) {
        Lanes most = Lanes{} - __builtin_inff();
        Places place = Places{} + kNowhere;
        for (long i = rows.first; i < rows.last; ++i)
          for (long j = columns.first; j < columns.last; ++j) {
            Lanes here = *reinterpret_cast<const Lanes*>(window + i * line + j * channels + c);
            Places larger = (here > most) | (here != here);  // or NaN, which stays
            most = larger ? here : most;
            place = larger ? Places{} + static_cast<int>(i * pool.windows.size[1] + j) : place;
          }
        place = (relu ? most > 0.0f : most == most) ? place : Places{} + kNowhere;
        *reinterpret_cast<Lanes*>(y + c) = most;
        *reinterpret_cast<Bytes*>(places + c) = __builtin_convertvector(place, Bytes);
      }
    }
}

// The gradient before the pool, and its sum for each channel added to `sums`.
PENSTOCK_WIDE void send_to_maxima(const Pool& pool, const float* dy, const unsigned char* places, float* dx, float* sums) {
  const long channels = pool.channels, line = pool.input[1] * channels;
  const bool add = !pool.divides();
  if (add) std::memset(dx, 0, pool.inputs() * sizeof(float));
  for (long a = 0; a < pool.output[0]; ++a)
    for (long b = 0; b < pool.output[1]; ++b, dy += channels, places += channels) {
      const Extent rows(pool, 0, a), columns(pool, 1, b);
      float* window = dx + rows.start * line + columns.start * channels;
      for (long c = 0; c < channels; c += kLanes) {
        Places place = reinterpret_cast<Places>(
            _mm512_maskz_cvtepu8_epi32(-1, *reinterpret_cast<const __m128i_u*>(places + c)));
        Lanes sent = *reinterpret_cast<const Lanes*>(dy + c);
        *reinterpret_cast<Lanes*>(sums + c) += place == kNowhere ? Lanes{} : sent;
        for (long i = rows.first; i < rows.last; ++i)
          for (long j = columns.first; j < columns.last; ++j) {
            Lanes& to = *reinterpret_cast<Lanes*>(window + i * line + j * channels + c);
            Lanes here = place == static_cast<int>(i * pool.windows.size[1] + j) ? sent : Lanes{};
            to = add ? to + here : here;
          }
      }
    }
}

PENSTOCK_WIDE void add_rows(const float* rows, long count, long width, float* sums) {
  for (long i = 0; i < count; ++i)
    for (long c = 0; c < width; ++c) sums[c] += rows[i * width + c];
}

PENSTOCK_WIDE void keep_where_positive(const float* features, const float* from, float* to, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) to[i] = features[i] > 0 ? from[i] : 0.0f;
}

// A convolution, and where its images' numbers are.
struct Convolution {
  long batch, input[2], channels, output[2], outputs;
  Windows windows;

  Convolution(const ffi::AnyBuffer& x, ffi::Span<const int64_t> filter, const long (&output)[2], const Windows& windows,
              bool large = false)
      : batch(x.dimensions()[0]),
        input{x.dimensions()[1], x.dimensions()[2]},
        channels(x.dimensions()[3]),
        output{output[0], output[1]},
        outputs(filter[3]),
        windows(windows) {
    for (int i = 0; i < 2; ++i) {
      padded[i] = (output[i] - 1) * windows.stride[i] + (windows.size[i] - 1) * windows.dilation[i] + 1;
      is_padded = is_padded || windows.pad[i] > 0 || padded[i] > input[i];
    }
    if (!is_padded) std::copy_n(input, 2, padded);
    by_rows = large && !is_padded;
    const long* stride = windows.stride;
    const long* dilation = windows.dilation;
    for (long i = 0; i < (by_rows ? 1 : output[0]); ++i)
      for (long j = 0; j < output[1]; ++j) pixels.push_back((i * stride[0] * padded[1] + j * stride[1]) * channels);
    for (size_t p = 0; p < pixels.size(); ++p) output_pixels.push_back(p * outputs);
    for (long i = 0; i < windows.size[0]; ++i)
      for (long j = 0; j < windows.size[1]; ++j)
        taps.push_back((i * dilation[0] * padded[1] + j * dilation[1]) * channels);
    for (long tap : taps)
      for (long c = 0; c < channels; ++c) filter_rows.push_back(tap + c);
    for (size_t k = 0; k < filter_rows.size(); ++k) output_rows.push_back(k * outputs);
  }

  bool is_padded = false;
  bool by_rows = false;  // whether a thread takes rows of an image, not images
  long padded[2];  // the size of the images that the filter runs over
  // Where things begin in such an image: what the filter's first element meets for each output (with `by_rows`, of the first
  // row); where its other elements are,
  // and their channels. Where the outputs begin, and the rows of the filter.
  std::vector<long> pixels, taps, filter_rows, output_pixels, output_rows;

  long image() const { return input[0] * input[1] * channels; }
  long padded_image() const { return padded[0] * padded[1] * channels; }
  long output_image() const { return output[0] * output[1] * outputs; }
  long filter() const { return static_cast<long>(output_rows.size()) * outputs; }
  double work() const { return 2.0 * batch * output[0] * output[1] * filter(); }
  long group() const {
    long pixels = output[0] * output[1];
    return std::min((kPixels + pixels - 1) / pixels, batch);
  }

  // Images with zeros around them: they themselves where none are needed.
  const float* pad(const float* images, long count, float* to) const {
    if (!is_padded) return images;
    std::memset(to, 0, count * padded_image() * sizeof(float));
    copy_rows(count, [&](long inside, long outside, long width) {
      std::memcpy(to + outside, images + inside, width * sizeof(float));
    });
    return to;
  }

  // Calls copy(offset in the images, offset in the padded ones, numbers) for what both have.
  template <typename Copy>
  void copy_rows(long count, const Copy& copy) const {
    long left = std::max(0L, windows.pad[1]);
    long width = std::min(input[1], padded[1] - left) * channels;
    for (long n = 0; n < count; ++n)
      for (long i = 0; i < std::min(input[0], padded[0] - windows.pad[0]); ++i)
        copy(n * image() + i * input[1] * channels,
             n * padded_image() + ((i + windows.pad[0]) * padded[1] + left) * channels, width);
  }
};

// Winograd's algorithm, where it takes less time.
std::optional<WinogradRows> by_winograd(const Convolution& each) {
  const Windows& windows = each.windows;
  const WinogradRows::Shape shape{each.input[0],  each.input[1],   each.channels,     each.output[0],      each.output[1],
                                  each.outputs,   windows.size[0], windows.stride[0], windows.dilation[0], windows.pad[0],
                                  windows.pad[1]};
  const bool fits = windows.size[1] == 3 && windows.stride[1] == 1 && windows.dilation[1] == 1;
  if (each.by_rows || !fits || !WinogradRows::suits(shape, each.batch)) return std::nullopt;
  return WinogradRows(shape, each.batch);
}

// A part of the terms of each output: where they are in an image, and in the filter.
struct Part {
  long in, k;
  Terms terms;
};

// In the order of the filter, so much of it at a time as stays in cache.
std::vector<Part> parts_of(const Convolution& each) {
  const Windows& windows = each.windows;
  bool one_run = windows.dilation[1] == 1;  // whether neighbours in a row of the filter meet neighbours
  long runs = one_run ? 1 : windows.size[1], run = one_run ? windows.size[1] * each.channels : each.channels;
  long line = windows.dilation[0] * each.padded[1] * each.channels, step = windows.dilation[1] * each.channels;
  long most = kFilterPart / std::min(each.outputs, kColumns);
  if (windows.size[0] * runs * run <= most) return {{0, 0, {windows.size[0], line, runs, step, run, 1}}};
  std::vector<Part> parts;
  for (long i = 0, k = 0; i < windows.size[0]; ++i)
    for (long j = 0; j < runs; ++j)
      for (long c = 0; c < run; c += most) {
        long count = std::min(most, run - c);
        parts.push_back({i * line + j * step + c, k, {1, 0, 1, 0, count, 1}});
        k += count;
      }
  return parts;
}

// relu(x * w + bias) of padded images, or of a row of results, by the definition.
void convolve(const Convolution& each, const std::vector<Part>& parts, const float* x, long count, const float* w,
              const float* bias, bool relu, float* y) {
  const long outputs = each.outputs, pixels = static_cast<long>(each.pixels.size());
  for (const Part& part : parts)
    for (long n = 0; n < count; ++n)
      multiply({x + n * each.padded_image() + part.in, each.pixels.data(), pixels, part.terms},
               {w + part.k * outputs, outputs / kLanes, outputs, kLanes},
               {y + n * each.output_image(), each.output_pixels.data(), part.k > 0, bias, relu && &part == &parts.back()});
}

using Numbers = ffi::Span<const int64_t>;

Windows describe(long height, long width, Numbers strides, Numbers dilations, Numbers pads) {
  return {{height, width}, {strides[0], strides[1]}, {dilations[0], dilations[1]}, {pads[0], pads[1]}};
}

Pool describe_pool(const long (&input)[2], const ffi::AnyBuffer& y, Numbers size, Numbers strides, Numbers pads) {
  auto to = y.dimensions();
  return {{{size[0], size[1]}, {strides[0], strides[1]}, {1, 1}, {pads[0], pads[1]}},
          {input[0], input[1]},
          {to[1], to[2]},
          to[3]};
}

// x, w, and a bias where there is one -> y; with sizes of a pool y is pooled, and a second result [shape of y] uint8 has the
// places of the maxima. `output`: height and width of the convolution.
ffi::Error fused_convolution(ffi::AnyBuffer x, ffi::AnyBuffer w, ffi::RemainingArgs rest, ffi::RemainingRets results,
                             Numbers output, Numbers strides, Numbers dilations, Numbers pads, bool relu,
                             Numbers pool_size, Numbers pool_strides, Numbers pool_pads) {
  return guarded("fused_convolution", [&] {
    auto filter = w.dimensions();
    const bool large = pool_size.size() == 0 && output[0] * output[1] > kManyPixels;
    const Convolution convolution(x, filter, {output[0], output[1]},
                                  describe(filter[0], filter[1], strides, dilations, pads), large);
    const float* bias = rest.size() > 0 ? floats(rest.get<ffi::AnyBuffer>(0).value()) : nullptr;
    ffi::AnyBuffer y = *results.get<ffi::AnyBuffer>(0).value();
    const bool pooled = pool_size.size() > 0;
    unsigned char* places = nullptr;
    Pool pool{};
    if (pooled) {
      pool = describe_pool(convolution.output, y, pool_size, pool_strides, pool_pads);
      places = static_cast<unsigned char*>((*results.get<ffi::AnyBuffer>(1).value()).untyped_data());
    }
    const std::optional<WinogradRows> winograd = by_winograd(convolution);
    const std::vector<Part> parts = parts_of(convolution);
    const long group = winograd ? winograd->group() : convolution.group();
    const long for_padded = convolution.is_padded ? group * convolution.padded_image() : 0;
    const size_t for_filter = winograd ? aligned(winograd->filter() * sizeof(float)) : 0;
    const size_t for_images = aligned((winograd ? winograd->forward_memory() : for_padded) * sizeof(float));
    const size_t for_results = pooled ? aligned(group * convolution.output_image() * sizeof(float)) : 0;
    Turn turn(convolution.work());
    char* working = working_memory(for_filter + (for_images + for_results) * team_size() + 1);
    if (convolution.by_rows) {
      const long rows = convolution.output[0], line = strides[0] * convolution.input[1] * convolution.channels;
      const long of_row = convolution.output[1] * convolution.outputs;
      parallel_chunks(convolution.batch * rows, kBand, [&](long first, long last) {
        for (long row = first; row < last; ++row)
          convolve(convolution, parts, floats(x) + row / rows * convolution.image() + row % rows * line, 1, floats(w), bias,
                   relu, floats(y) + row * of_row);
      });
      return;
    }
    float* spread = reinterpret_cast<float*>(working);
    if (winograd) winograd->spread_filter(floats(w), spread);
    parallel_chunks(convolution.batch, group, [&](long first, long last) {
      char* own = working + for_filter + (for_images + for_results) * thread_number();
      for (long image = first, count; image < last; image += count) {
        count = std::min(group, last - image);
        const float* from = floats(x) + image * convolution.image();
        float* to = pooled ? reinterpret_cast<float*>(own + for_images) : floats(y) + image * convolution.output_image();
        if (winograd) {
          winograd->forward(from, count, spread, bias, relu, reinterpret_cast<float*>(own), to);
        } else {
          from = convolution.pad(from, count, reinterpret_cast<float*>(own));
          convolve(convolution, parts, from, count, floats(w), bias, relu, to);
        }
        for (long n = 0; pooled && n < count; ++n)
          take_maxima(pool, to + n * pool.inputs(), relu, floats(y) + (image + n) * pool.outputs(),
                      places + (image + n) * pool.outputs());
      }
    });
  });
}

// What the gradient of images is multiplied with: each element of the filter, or of the transformed one, with channels and
// outputs exchanged.
std::vector<Packed> transposed_filter(const Convolution& each, const std::optional<WinogradRows>& winograd, const float* w) {
  if (winograd) {
    std::vector<float> spread(winograd->filter());
    winograd->spread_filter(w, spread.data());
    return winograd->transposed(spread.data());
  }
  std::vector<Packed> elements;
  for (size_t tap = 0; tap < each.taps.size(); ++tap)
    elements.emplace_back(w + tap * each.channels * each.outputs, each.outputs, each.channels, 1, each.outputs);
  return elements;
}

// The gradients of one part of the batch.
struct Gradients {
  const Convolution& convolution;
  const Pool* pool;             // null where there is none
  const std::vector<Packed>& transposed;  // the filter's elements, where the gradient of images is wanted
  bool relu, by_rows;  // `by_rows`: images are large, and the gradients are taken row by row
  const WinogradRows* winograd;  // null where the definition is used; otherwise the filter's gradient is the transformed one

  // Numbers of the filter's gradient.
  long filter() const { return winograd == nullptr ? convolution.filter() : winograd->filter(); }

  // Parts of the working memory of a thread, in bytes.
  size_t images() const {
    if (winograd != nullptr) return aligned(winograd->gradient_memory() * sizeof(float));
    return is_padded() ? aligned(floats_of(convolution.padded_image())) : 0;
  }
  size_t results() const { return pool == nullptr ? 0 : aligned(floats_of(convolution.output_image())); }
  size_t image_gradient() const {
    const bool wanted = winograd == nullptr && is_padded() && !transposed.empty();
    return wanted ? aligned(convolution.padded_image() * sizeof(float)) : 0;
  }
  size_t working_size() const { return images() + results() + image_gradient(); }

  // What threads take parts of: images, or with `by_rows` rows of their results.
  long count() const { return convolution.batch * (by_rows ? convolution.output[0] : 1); }

  // Sums up dw and db [outputs] of a part, and writes dx where it is wanted.
  void run(const float* x, const float* dy, const unsigned char* places, long first, long last, char* own, float* dw,
           float* db, float* dx) const {
    std::fill_n(db, convolution.outputs, 0.0f);
    if (first >= last) std::fill_n(dw, filter(), 0.0f);
    if (by_rows) return add_rows_apart(x, dy, first, last, own, dw, db);
    for (long image = first, count; image < last; image += count) {
      count = std::min(group(), last - image);
      const float* sent = before_pool(dy, places, image, count, reinterpret_cast<float*>(own + images()), db);
      const float* from = x + image * convolution.image();
      float* to = dx == nullptr ? dx : dx + image * convolution.image();
      if (winograd == nullptr) {
        by_definition(from, sent, count, image > first, own, dw, to);
      } else {
        winograd->gradients(from, sent, count, transposed, image > first, reinterpret_cast<float*>(own), dw, to);
      }
      if (relu && dx != nullptr) keep_where_positive(from, to, to, count * convolution.image());
    }
  }

 private:
  bool is_padded() const { return convolution.is_padded; }

  // The gradients of filter and bias from rows [first, last) of the results of all images, each while it is in cache.
  void add_rows_apart(const float* x, const float* dy, long first, long last, char* own, float* dw, float* db) const {
    const Windows& windows = convolution.windows;
    const long outputs = convolution.outputs, height = convolution.output[0], columns = convolution.output[1];
    const long line = windows.stride[0] * convolution.padded[1] * convolution.channels;
    const long rows = static_cast<long>(convolution.filter_rows.size());
    const Terms terms{1, 0, 1, 0, columns, windows.stride[1] * convolution.channels};
    const float* image = nullptr;
    for (long row = first; row < last; ++row) {
      if (row == first || row % height == 0)
        image = convolution.pad(x + row / height * convolution.image(), 1, reinterpret_cast<float*>(own));
      const float* sent = dy + row * columns * outputs;
      add_rows(sent, columns, outputs, db);
      multiply({image + row % height * line, convolution.filter_rows.data(), rows, terms},
               {sent, outputs / kLanes, outputs, kLanes}, {dw, convolution.output_rows.data(), row > first, nullptr});
    }
  }

  long group() const { return winograd == nullptr ? convolution.group() : winograd->group(); }
  size_t floats_of(long image) const { return group() * image * sizeof(float); }

  // Of some images: the gradient of the filter, added to what is there with `add`, and theirs, unless dx is null.
  void by_definition(const float* x, const float* sent, long count, bool add, char* own, float* dw, float* dx) const {
    const Windows& windows = convolution.windows;
    const long outputs = convolution.outputs, line = convolution.padded[1] * convolution.channels;
    const long rows = static_cast<long>(convolution.filter_rows.size());
    const float* from = convolution.pad(x, count, reinterpret_cast<float*>(own));
    const Terms terms{count, convolution.padded_image(), convolution.output[0], windows.stride[0] * line,
                      convolution.output[1], windows.stride[1] * convolution.channels};
    multiply({from, convolution.filter_rows.data(), rows, terms}, {sent, outputs / kLanes, outputs, kLanes},
             {dw, convolution.output_rows.data(), add, nullptr});
    for (long n = 0; dx != nullptr && n < count; ++n)
      send_back(sent + n * convolution.output_image(), reinterpret_cast<float*>(own + images() + results()),
                dx + n * convolution.image());
  }

  // The gradient of the convolution's results for some images, from that of what the pool gave.
  const float* before_pool(const float* dy, const unsigned char* places, long image, long count, float* to,
                           float* db) const {
    const long pixels = static_cast<long>(convolution.pixels.size());
    if (pool == nullptr) {
      dy += image * convolution.output_image();
      add_rows(dy, count * pixels, convolution.outputs, db);
      return dy;
    }
    for (long n = 0; n < count; ++n)
      send_to_maxima(*pool, dy + (image + n) * pool->outputs(), places + (image + n) * pool->outputs(),
                     to + n * pool->inputs(), db);
    return to;
  }

  // dx of one image: each element of the filter sends the gradients of all outputs to what it met.
  void send_back(const float* dy, float* padded, float* dx) const {
    float* to = is_padded() ? padded : dx;
    const long pixels = static_cast<long>(convolution.pixels.size()), outputs = convolution.outputs;
    std::memset(to, 0, convolution.padded_image() * sizeof(float));
    for (size_t tap = 0; tap < transposed.size(); ++tap)
      multiply({dy, convolution.output_pixels.data(), pixels, {1, 0, 1, 0, outputs, 1}},
               {transposed[tap].panel(0), convolution.channels / kLanes, kLanes, outputs * kLanes},
               {to + convolution.taps[tap], convolution.pixels.data(), true, nullptr});
    if (is_padded()) {
      // What the windows do not reach stays 0.
      std::memset(dx, 0, convolution.image() * sizeof(float));
      convolution.copy_rows(1, [&](long inside, long outside, long width) {
        std::memcpy(dx + inside, padded + outside, width * sizeof(float));
      });
    }
  }
};

// x, dy, the places of the maxima where a pool came after, and w where dx is wanted -> dw, db, and dx: 0 where x is not
// positive, with `relu`. `output` is that of the convolution.
ffi::Error fused_convolution_gradient(ffi::AnyBuffer x, ffi::AnyBuffer dy, ffi::RemainingArgs rest,
                                      ffi::RemainingRets results, Numbers output, Numbers strides, Numbers dilations,
                                      Numbers pads, bool relu, Numbers pool_size, Numbers pool_strides,
                                      Numbers pool_pads) {
  return guarded("fused_convolution_gradient", [&] {
    ffi::AnyBuffer dw = *results.get<ffi::AnyBuffer>(0).value(), db = *results.get<ffi::AnyBuffer>(1).value();
    auto filter = dw.dimensions();
    const Convolution convolution(x, filter, {output[0], output[1]},
                                  describe(filter[0], filter[1], strides, dilations, pads));
    const bool pooled = pool_size.size() > 0, wants_dx = results.size() > 2;
    Pool pool{};
    const unsigned char* places = nullptr;
    if (pooled) {
      pool = describe_pool(convolution.output, dy, pool_size, pool_strides, pool_pads);
      places = static_cast<const unsigned char*>(rest.get<ffi::AnyBuffer>(0).value().untyped_data());
    }
    const long outputs = convolution.outputs;
    Turn turn((wants_dx ? 2 : 1) * convolution.work());
    const std::optional<WinogradRows> winograd = by_winograd(convolution);
    std::vector<Packed> transposed;
    if (wants_dx) transposed = transposed_filter(convolution, winograd, floats(rest.get<ffi::AnyBuffer>(pooled).value()));
    float* dx = wants_dx ? floats(*results.get<ffi::AnyBuffer>(2).value()) : nullptr;
    const bool by_rows = !pooled && !wants_dx && !winograd && output[0] * output[1] > kManyPixels;
    const Gradients gradients{convolution, pooled ? &pool : nullptr, transposed, relu, by_rows,
                              winograd ? &*winograd : nullptr};
    const long threads = std::min<long>(team_size(), gradients.count());
    const size_t sums = aligned((gradients.filter() + outputs) * sizeof(float)), each = sums + gradients.working_size();
    char* working = working_memory(each * threads);
    auto own_sums = [&](long part) { return reinterpret_cast<float*>(working + each * part); };
    float* dw_sums = winograd ? own_sums(0) : floats(dw);
    parallel_for(threads, 1, [&](long part, long) {
      float* to = part == 0 ? dw_sums : own_sums(part);
      gradients.run(floats(x), floats(dy), places, gradients.count() * part / threads,
                    gradients.count() * (part + 1) / threads, working + each * part + sums, to,
                    part == 0 ? floats(db) : to + gradients.filter(), dx);
    });
    for (long part = 1; part < threads; ++part) {
      add_rows(own_sums(part), 1, gradients.filter(), dw_sums);
      add_rows(own_sums(part) + gradients.filter(), 1, outputs, floats(db));
    }
    if (winograd) winograd->gather_filter(dw_sums, floats(dw));
  });
}

}  // namespace

#define PENSTOCK_CONVOLUTION_AND_POOL  \
  RemainingArgs()                      \
      .RemainingRets()                 \
      .Attr<Numbers>("output")         \
      .Attr<Numbers>("strides")        \
      .Attr<Numbers>("dilations")      \
      .Attr<Numbers>("pads")           \
      .Attr<bool>("relu")              \
      .Attr<Numbers>("pool_size")      \
      .Attr<Numbers>("pool_strides")   \
      .Attr<Numbers>("pool_pads")

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    penstock_fused_convolution, fused_convolution,
    ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().PENSTOCK_CONVOLUTION_AND_POOL);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    penstock_fused_convolution_gradient, fused_convolution_gradient,
    ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().PENSTOCK_CONVOLUTION_AND_POOL);

}  // namespace penstock

// Whether this machine has the vectors that these kernels are made for.
extern "C" bool penstock_has_wide_vectors() {
  return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
}
